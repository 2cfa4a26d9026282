import Archives
import Budget
import FileSystem
import Logging
import ResultCache
import Tasks

/// What a download needs besides the task.
struct DownloadOrder: Sendable {
  let task: TaskPath
  let source: any TaskSource
  let requester: Requester
  /// What was opened, for the ledger.
  let path: String
  /// Whether `tollfs fetch` asked: then a broken download may be bought again.
  let isFetch: Bool
}

/// What all downloads of an engine share.
struct DownloadTools: Sendable {
  let ledger: Ledger
  let arrears: LedgerArrears
  let cache: ResultCache
  let shelf: ResultShelf
  let packages: PackageDesk
  let known: KnownPieces
  let ranges: RangedFiles
  /// How many episodes a task has, as far as its API told.
  let episodes: @Sendable (TaskPath) async -> Int?
  let settings: EngineSettings
  let metrics: Metrics
  let logger: Logger
}

/// The course of one download, from the price to the settled account. Runs on a thread of its own: it may block.
///
/// The order of the steps is what keeps money and content safe: wait for other processes, see that there is room, look again
/// at what is there, reserve under the caps, ask, store, settle.
struct DownloadRun: Sendable {
  let order: DownloadOrder
  let download: Download
  let tools: DownloadTools
  let caps: @Sendable () -> BudgetCaps?

  var ledger: Ledger { tools.ledger }
  var arrears: LedgerArrears { tools.arrears }
  var cache: ResultCache { tools.cache }
  var packages: PackageDesk { tools.packages }
  var ranges: RangedFiles { tools.ranges }
  var settings: EngineSettings { tools.settings }
  var metrics: Metrics { tools.metrics }
  var logger: Logger { tools.logger }

  var isBilled: Bool { !order.source.price.isFree }

  func perform() async {
    let outcome: Result<StoredResults, FileSystemFailure>
    do throws(FileSystemFailure) {
      outcome = .success(try await results())
    } catch {
      outcome = .failure(error)
    }
    // Nobody who waited may be answered from what was known before.
    tools.shelf.drop(order.task)
    download.end(outcome)
  }

  private func results() async throws(FileSystemFailure) -> StoredResults {
    // A package whose names are known is fetched file by file.
    if order.isFetch, let known = try await knownPackage() { return try await fetch(known) }
    let writer = try await begin(expecting: try await priced().expected)
    do throws(FileSystemFailure) {
      if let present = try await alreadyThere() {
        writer.abandon()
        return present
      }
      // Priced again: while this one waited for its turn, another process may have learned the size.
      let request = try await priced()
      switch order.source.delivery {
      case .stream: return try await purchase(request, into: writer)
      case .package:
        let results = try await openPackage(request, into: writer)
        return order.isFetch && results.listing.package != nil ? try await fetch(results) : results
      }
    } catch {
      // Harmless after a break-off, which has kept what arrived.
      writer.abandon()
      throw error
    }
  }

  func priced() async throws(FileSystemFailure) -> PurchaseRequest {
    do {
      let (estimate, episodes) = try await estimate()
      return PurchaseRequest(
        task: order.task, path: order.path, price: order.source.price, requester: order.requester, expected: estimate,
        episodes: episodes, isWhole: order.source.delivery == .stream)
    } catch {
      throw FileSystemFailure(any: error)
    }
  }

  private func estimate() async throws -> (Estimate, episodes: Int?) {
    if order.source.delivery == .package {
      // The files themselves are paid for where they are read.
      return (Estimate(bytes: Self.lookEstimate, basis: .assumed, evidence: "a look at the package's directory"), nil)
    }
    let listing = try await cache.listing(of: order.task)
    let known = listing?.state == .complete ? listing?.totalSize : nil
    let episodes = await tools.episodes(order.task)
    return (
      try await ledger.estimate(for: order.task, knownSize: known, episodes: episodes, caps: caps()), episodes
    )
  }

  /// An assumed size asks for no room in advance: it is a guess on the safe side of money, and would keep small downloads out
  /// of small caches. Room is made, or found missing, as bytes arrive.
  func begin(expecting estimate: Estimate) async throws(FileSystemFailure) -> DownloadWriter {
    do throws(CacheFailure) {
      let known = estimate.basis == .exact ? estimate.bytes : nil
      return try await cache.beginDownload(of: order.task, expecting: known, costs: isBilled)
    } catch {
      throw FileSystemFailure(error)
    }
  }

  /// Another process may have downloaded the task, or broken off, while this one waited for its turn.
  private func alreadyThere() async throws(FileSystemFailure) -> StoredResults? {
    do throws(CacheFailure) {
      guard let listing = try await cache.listing(of: order.task) else { return nil }
      let stored = StoredResults(listing)
      switch stored.stock {
      case .everything: return stored
      case .broken: return isBilled && !order.isFetch ? stored : nil
      // All names of a package are known: its content is fetched where it is read.
      case .evicted: return stored.listing.package == nil ? nil : stored
      case .nothing: return nil
      }
    } catch {
      throw FileSystemFailure(error)
    }
  }

  /// Reserves. Where the machine's clock alone says that another day or month has begun, an API is asked first, which is free: it
  /// tells the time along with its answer.
  func account(for request: PurchaseRequest) async throws(FileSystemFailure) -> PurchaseAccount {
    if isBilled, (try? await ledger.wantsVouchedTime()) == true { _ = try? await order.source.status(of: order.task) }
    return try await reserved(request)
  }

  private func reserved(_ request: PurchaseRequest) async throws(FileSystemFailure) -> PurchaseAccount {
    try await PurchaseAccount.opened(
      request, ledger: ledger, arrears: arrears, caps: caps(), logger: logger, metrics: metrics)
  }

  private func purchase(_ request: PurchaseRequest, into writer: DownloadWriter) async throws(FileSystemFailure)
    -> StoredResults
  {
    let account = try await account(for: request)
    let stream: any ByteStream
    metrics.count(.downloadRequests)
    do throws(SourceFailure) {
      stream = try await order.source.download(order.task)
    } catch {
      let failure = FileSystemFailure(error)
      guard error.billing == .unknown, isBilled else {
        await account.release(because: failure.reason)
        throw failure
      }
      return try await breakOff(writer, account, because: failure)
    }
    download.announce(expected: stream.expectedLength, assumed: request.expected.bytes)
    do throws(FileSystemFailure) {
      let total = try await pump(stream, into: writer, account)
      let listing = try finish(writer)
      await account.settle(total)
      return StoredResults(listing)
    } catch {
      stream.cancel()
      return try await breakOff(writer, account, because: error)
    }
  }

  /// Takes the stream apart as it comes.
  /// - Returns: the sum of the original sizes.
  func pump(_ stream: any ByteStream, into writer: DownloadWriter, _ account: PurchaseAccount)
    async throws(FileSystemFailure) -> ByteCount
  {
    let reader = ZipStreamReader(
      options: archiveOptions(for: writer), sink: DownloadSink(writer: writer, download: download))
    do {
      while let chunk = try await stream.next() {
        metrics.count(.bytesReceived, by: chunk.count)
        try chunk.withUnsafeBytes { try reader.consume($0) }
        download.advance(received: chunk.count, original: reader.totalSize)
        await account.observe(billable(reader.totalSize))
      }
      try reader.finish()
      return reader.totalSize
    } catch {
      // What was set aside until the archive's own end may hold files that are whole beyond doubt.
      if error is SourceFailure { try? reader.finish() }
      await account.noteBytes(billable(reader.totalSize))
      throw FileSystemFailure(any: error)
    }
  }

  /// A stream is billed by its original sizes, a package by the bytes that move.
  func billable(_ original: ByteCount) -> ByteCount {
    order.source.delivery == .stream ? original : download.progress.received
  }

  func archiveOptions(for writer: DownloadWriter) -> ArchiveOptions {
    settings.archiveOptions(spoolDirectory: writer.spoolDirectory, limit: cache.limits.maxSize)
  }

  func finish(_ writer: DownloadWriter) throws(FileSystemFailure) -> CachedListing {
    do throws(CacheFailure) {
      return try writer.finish()
    } catch {
      throw FileSystemFailure(error)
    }
  }

  /// Keeps what arrived whole, and leaves the account open: nobody knows what the provider charged.
  func breakOff(_ writer: DownloadWriter, _ account: PurchaseAccount, because cause: FileSystemFailure)
    async throws(FileSystemFailure) -> StoredResults
  {
    // EINTR is for who was interrupted; whoever opens the results later finds them cut short.
    let failure =
      cause.kind == .interrupted
      ? FileSystemFailure(.damaged, "the download was broken off before its end") : cause
    logger.warning(
      "download broke off", metadata: ["task": "\(order.task)", "reason": "\(failure.reason)"])
    await account.leaveUnsettled(because: failure.reason)
    do throws(CacheFailure) {
      return StoredResults(try writer.breakOff(reason: failure.reason, word: failure.word))
    } catch {
      throw failure
    }
  }
}
