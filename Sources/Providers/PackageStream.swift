import Synchronization
import Tasks

/// Bytes of a package from one place on. A break is mended by asking for the rest, of the same version.
///
/// Letting go of it closes the connection. Cancelling a task that waits in ``next()`` ends the stream, too.
final class PackageStream: ByteStream {
  let expectedLength: ByteCount?

  private struct Progress {
    var exchange: HTTPExchange?
    var position: UInt64
    /// Since the last break.
    var arrived: UInt64 = 0
    var patience: StorePatience
    var mending: Task<Result<HTTPExchange, SourceFailure>, Never>?
    var failure: SourceFailure?
  }

  private let opener: PackageOpener
  private let known: KnownContent
  /// Nil where only the end of the body tells.
  private let end: UInt64?
  private let progress: Mutex<Progress>

  init(_ opening: PackageOpening, opener: PackageOpener, patience: StorePatience) {
    self.opener = opener
    let part = opening.answer.part
    known = opening.answer.content
    end = part?.upperBound
    expectedLength = part.map { ByteCount(Int64(clamping: $0.upperBound - $0.lowerBound)) }
    progress = Mutex(
      Progress(
        exchange: part?.isEmpty == true ? nil : opening.exchange, position: part?.lowerBound ?? 0, patience: patience))
  }

  deinit {
    let (exchange, position) = progress.withLock { ($0.exchange, $0.position) }
    if let exchange { close(exchange, at: position) }
  }

  func next() async throws(SourceFailure) -> [UInt8]? {
    while true {
      let (current, position, failure) = progress.withLock { ($0.exchange, $0.position, $0.failure) }
      if let failure { throw failure }
      // Everything is here, or there never was anything.
      guard let exchange = current else { return nil }
      if position == end { return finish() }
      let fault: TransportFault
      do {
        if let bytes = try await exchange.next() { return try taken(bytes) }
        guard end != nil else { return finish() }
        fault = TransportFault(kind: .unreachable, text: "the body ended too early")
      } catch let failure as SourceFailure {
        throw failure
      } catch let broken as TransportFault {
        fault = broken
      } catch {
        fault = .cancelled
      }
      try await mend(fault)
    }
  }

  private func finish() -> [UInt8]? {
    let (exchange, position) = progress.withLock { progress in
      defer { progress.exchange = nil }
      return (progress.exchange, progress.position)
    }
    if let exchange { close(exchange, at: position) }
    return nil
  }

  func cancel() {
    let (exchange, position, mending) = progress.withLock { progress in
      defer { progress.exchange = nil }
      if progress.failure == nil, progress.exchange != nil { progress.failure = .cancelled }
      return (progress.exchange, progress.position, progress.mending)
    }
    if let exchange { close(exchange, at: position) }
    mending?.cancel()
  }

  /// Whoever has all bytes seldom waits to hear that this was the end. The connection is worth keeping then: only the end of
  /// the answer is still to be read from it, if that has not been done.
  private func close(_ exchange: HTTPExchange, at position: UInt64) {
    if position == end {
      exchange.limit(to: .seconds(2))
    } else {
      exchange.cancel()
    }
  }

  private func taken(_ bytes: [UInt8]) throws(SourceFailure) -> [UInt8] {
    let position = progress.withLock { progress in
      progress.position += UInt64(bytes.count)
      progress.arrived += UInt64(bytes.count)
      return progress.position
    }
    guard let end, position > end else { return bytes }
    throw fail(SourceFailure(.badAnswer, "\(opener.subject): more bytes than the store announced"))
  }

  /// Ends the stream for good.
  private func fail(_ failure: SourceFailure) -> SourceFailure {
    let exchange = progress.withLock { progress in
      defer { progress.exchange = nil }
      if progress.failure == nil { progress.failure = failure }
      return progress.exchange
    }
    exchange?.cancel()
    return failure
  }

  /// Puts a new body in the place of one that broke.
  private func mend(_ fault: TransportFault) async throws(SourceFailure) {
    if fault.kind == .cancelled { throw fail(.cancelled) }
    let (pause, position) = progress.withLock { progress in
      // Bytes that are not HTTP any more in the middle of a body: the connection is as good as lost.
      let mayPass = fault.mayPass || fault.kind == .badAnswer
      defer { progress.arrived = 0 }
      return (progress.patience.pause(afterBreakWith: progress.arrived, mayPass: mayPass), progress.position)
    }
    guard let pause else {
      let kind = fault.kind == .badAnswer ? .unreachable : fault.kind.failureKind
      throw fail(SourceFailure(kind, "\(opener.subject): \(fault.text), after \(position) bytes of the package"))
    }
    let work = Task { await rest(from: position, after: pause) }
    let isCancelled = progress.withLock { progress in
      progress.mending = work
      return progress.failure != nil
    }
    if isCancelled { work.cancel() }
    let result = await withTaskCancellationHandler {
      await work.value
    } onCancel: {
      work.cancel()
    }
    try settle(result)
  }

  private func settle(_ result: Result<HTTPExchange, SourceFailure>) throws(SourceFailure) {
    switch result {
    case .failure(let failure): throw fail(failure)
    case .success(let exchange):
      let failure = progress.withLock { progress in
        progress.mending = nil
        if progress.failure == nil { progress.exchange = exchange }
        return progress.failure
      }
      guard let failure else { return }
      exchange.cancel()
      throw failure
    }
  }

  private func rest(from position: UInt64, after pause: Duration) async -> Result<HTTPExchange, SourceFailure> {
    do throws(SourceFailure) {
      try await opener.sleep(pause)
      var patience = progress.withLock { $0.patience }
      let range = end.map { StoreRange.bytes(position..<$0) } ?? .from(position)
      let outcome = try await opener.open(range, known: known, patience: &patience)
      progress.withLock { $0.patience = patience }
      guard case .open(let opening) = outcome, !opening.answer.isWhole else {
        if case .open(let opening) = outcome { opening.exchange.cancel() }
        throw SourceFailure(
          .unreachable, "\(opener.subject): the connection broke, and the store does not continue where it was")
      }
      return .success(opening.exchange)
    } catch {
      return .failure(error)
    }
  }
}
