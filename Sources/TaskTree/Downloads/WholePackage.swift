import Archives
import Budget
import FileSystem
import Foundation
import ResultCache
import Tasks

// Packages that come as one stream: where the store knows no ranges, and where the format can only be read from its start.

extension DownloadRun {
  /// Takes a whole package apart by what it is.
  func takeWhole(_ answer: PackageAnswer, into writer: DownloadWriter, _ account: PurchaseAccount)
    async throws(FileSystemFailure) -> StoredResults
  {
    let stream = PeekedStream(answer.stream)
    download.announce(expected: answer.version?.size ?? answer.stream.expectedLength, assumed: .zero)
    do throws(FileSystemFailure) {
      try await account.cover(try await wholeSize(of: answer), caps: caps())
      switch try await kind(of: stream) {
      case .zip:
        _ = try await pump(stream, into: writer, account)
      case .archive:
        try await spool(stream, into: writer, account)
      case .plain:
        try await store(stream, as: fileName(answer.name), size: answer.version?.size, into: writer, account)
      }
      return StoredResults(try finish(writer))
    } catch {
      stream.cancel()
      throw error
    }
  }

  /// How much a whole package is going to move, as far as the store says; where it says nothing, what is assumed of any download.
  private func wholeSize(of answer: PackageAnswer) async throws(FileSystemFailure) -> ByteCount {
    guard isBilled else { return .zero }
    if let size = answer.version?.size ?? answer.stream.expectedLength { return size + download.progress.received }
    do throws(BudgetFailure) {
      return try await ledger.estimate(for: order.task, knownSize: nil, episodes: nil, caps: caps()).bytes
    } catch {
      throw FileSystemFailure(error)
    }
  }

  private func kind(of stream: PeekedStream) async throws(FileSystemFailure) -> PackageKind {
    do throws(SourceFailure) {
      var wanted = PackageRecognizer.usualStart
      while true {
        let (start, isWhole) = try await stream.peek(wanted)
        switch PackageRecognizer.read(start, isWhole: isWhole) {
        case .kind(let kind): return kind
        case .needs(let more): wanted = max(more, wanted + 1)
        }
      }
    } catch {
      throw FileSystemFailure(error)
    }
  }

  /// A package that is no archive becomes one file.
  private func store(
    _ stream: PeekedStream, as name: String, size: ByteCount?, into writer: DownloadWriter, _ account: PurchaseAccount
  ) async throws(FileSystemFailure) {
    var (checksum, written): (UInt32, ByteCount) = (0, .zero)
    let now = Timestamp(Date())
    do {
      let object = try writer.beginMember(
        ordinal: 0, path: [name], size: size, modifiedSeconds: now.seconds,
        modifiedNanoseconds: now.nanoseconds)
      let file = ResultIndex.File(
        ordinal: 0, components: [name], size: UInt64(size?.bytes ?? 0), modified: now, crc32: nil,
        failure: nil)
      if size != nil { download.publish(file, content: object) }
      while let chunk = try await stream.next() {
        await received(chunk.count, account)
        checksum = chunk.withUnsafeBytes { crc32($0, continuing: checksum) }
        try chunk.withUnsafeBytes { try writer.append($0) }
        written += ByteCount(chunk.count)
      }
      try writer.endMember(crc32: checksum, size: written)
    } catch {
      throw FileSystemFailure(any: error)
    }
  }

  /// libarchive pulls, and may want to jump about (7z); the network pushes. So the package is collected in a file on the cache's
  /// disk, and libarchive follows it, waiting where it is ahead of the network.
  private func spool(_ stream: PeekedStream, into writer: DownloadWriter, _ account: PurchaseAccount)
    async throws(FileSystemFailure)
  {
    let spool: GrowingSpool
    let executor: BlockingExecutor
    do {
      spool = try GrowingSpool(directory: writer.spoolDirectory)
      executor = try BlockingExecutor.started()
    } catch {
      throw FileSystemFailure(any: error)
    }
    let options = archiveOptions(for: writer)
    let unpacking = Task(executorPreference: executor) { [download] () -> FileSystemFailure? in
      do {
        let sink = DownloadSink(writer: writer, download: download)
        try ForeignArchiveReader(options: options, sink: sink).read(spool)
        return nil
      } catch {
        spool.giveUp()
        return FileSystemFailure(any: error)
      }
    }
    var failure: FileSystemFailure?
    do {
      while !spool.isGivenUp, let chunk = try await stream.next() {
        await received(chunk.count, account)
        try spool.append(chunk)
      }
      spool.finish()
    } catch {
      failure = FileSystemFailure(any: error)
      spool.finish()
    }
    let damage = await unpacking.value
    // What the network did explains what the archive lacks.
    if let failure = failure ?? damage { throw failure }
  }

  private func received(_ bytes: Int, _ account: PurchaseAccount) async {
    metrics.count(.bytesReceived, by: bytes)
    download.advance(received: bytes, original: .zero)
    await account.observe(download.progress.received)
  }
}

/// A stream whose first bytes can be looked at before they are taken. Confined to one task.
final class PeekedStream: ByteStream, @unchecked Sendable {
  // @unchecked: only the task that downloads has it.
  private let stream: any ByteStream
  private var start: [UInt8] = []

  init(_ stream: any ByteStream) {
    self.stream = stream
  }

  var expectedLength: ByteCount? { stream.expectedLength }

  /// At least so many bytes, unless there are fewer in all.
  func peek(_ count: Int) async throws(SourceFailure) -> (start: [UInt8], isWhole: Bool) {
    while start.count < count {
      guard let more = try await stream.next() else { return (start, true) }
      start += more
    }
    return (start, false)
  }

  func next() async throws(SourceFailure) -> [UInt8]? {
    guard start.isEmpty else {
      defer { start = [] }
      return start
    }
    return try await stream.next()
  }

  func cancel() {
    stream.cancel()
  }
}

/// A file that one thread fills while another reads it, waiting for what is not there yet. Both may block.
final class GrowingSpool: RandomAccessSource, @unchecked Sendable {
  // @unchecked: everything that changes is guarded by `condition`; the descriptor never changes.
  private let condition = NSCondition()
  private let descriptor: Int32
  private var count: UInt64 = 0
  private var isComplete = false
  private var isAbandoned = false

  /// - Throws: ``CacheFailure``, when the file can't be made.
  init(directory: String) throws(CacheFailure) {
    let path = directory + "/package-" + String(UInt64.random(in: .min ... .max), radix: 16)
    descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw CacheFailure(errno == ENOSPC ? .noSpace : .io, "can't make \(path): \(String(cString: strerror(errno)))")
    }
    // Gone with the process, however that ends.
    unlink(path)
  }

  deinit {
    close(descriptor)
  }

  // MARK: - for the one who fills

  func append(_ bytes: [UInt8]) throws(CacheFailure) {
    var done = 0
    while done < bytes.count {
      let written = bytes.withUnsafeBytes {
        pwrite(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done, off_t(count) + off_t(done))
      }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else {
        throw CacheFailure(
          errno == ENOSPC ? .noSpace : .io, "can't collect a package: \(String(cString: strerror(errno)))")
      }
      done += written
    }
    condition.lock()
    count += UInt64(bytes.count)
    condition.broadcast()
    condition.unlock()
  }

  /// No more will come.
  func finish() {
    condition.lock()
    isComplete = true
    condition.broadcast()
    condition.unlock()
  }

  /// Whether the reader wants no more.
  var isGivenUp: Bool {
    condition.lock()
    defer { condition.unlock() }
    return isAbandoned
  }

  // MARK: - for the one who reads

  func giveUp() {
    condition.lock()
    isAbandoned = true
    condition.unlock()
  }

  /// Waits for the end, which alone tells.
  var length: UInt64 {
    condition.lock()
    defer { condition.unlock() }
    while !isComplete { condition.wait() }
    return count
  }

  func read(at offset: UInt64, count wanted: Int) throws -> [UInt8] {
    condition.lock()
    while !isComplete, count < offset + UInt64(wanted) { condition.wait() }
    let available = count > offset ? Int(min(UInt64(wanted), count - offset)) : 0
    condition.unlock()
    guard available > 0 else { return [] }
    return try [UInt8](unsafeUninitializedCapacity: available) { buffer, filled in
      while filled < available {
        let read = pread(
          descriptor, buffer.baseAddress?.advanced(by: filled), available - filled, off_t(offset) + off_t(filled))
        if read < 0, errno == EINTR { continue }
        guard read > 0 else {
          throw CacheFailure(.io, "can't read a collected package: \(String(cString: strerror(errno)))")
        }
        filled += read
      }
    }
  }
}
