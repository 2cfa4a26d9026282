import Synchronization
import Tasks

/// The body of a download that has begun with an archive.
///
/// Letting go of it closes the connection. Cancelling a task that waits in ``next()`` ends the stream, too.
final class ArchiveStream: ByteStream {
  let expectedLength: ByteCount?

  private struct Progress: Sendable {
    var start: [UInt8]
    var delivered: Int64 = 0
  }

  private let exchange: HTTPExchange
  private let subject: String
  private let progress: Mutex<Progress>

  init(_ exchange: HTTPExchange, start: [UInt8], length: Int64?, subject: String) {
    self.exchange = exchange
    self.subject = subject
    expectedLength = length.map { ByteCount($0) }
    progress = Mutex(Progress(start: start))
  }

  deinit {
    exchange.cancel()
  }

  func next() async throws(SourceFailure) -> [UInt8]? {
    let start = progress.withLock { progress in
      defer { progress.start = [] }
      progress.delivered += Int64(progress.start.count)
      return progress.start
    }
    if !start.isEmpty { return start }
    let more: [UInt8]?
    do {
      more = try await exchange.next()
    } catch {
      throw broken(error)
    }
    guard let bytes = more else {
      try checkLength()
      return nil
    }
    progress.withLock { $0.delivered += Int64(bytes.count) }
    return bytes
  }

  func cancel() {
    progress.withLock { $0.start = [] }
    exchange.cancel()
  }

  private var delivered: Int64 { progress.withLock { $0.delivered } }

  /// The HTTP decoder holds a body to its Content-Length; what was paid for is counted once more all the same.
  private func checkLength() throws(SourceFailure) {
    guard let expectedLength, delivered != expectedLength.bytes else { return }
    throw SourceFailure(
      .unreachable, "\(subject): \(delivered) bytes arrived of \(expectedLength)", billing: .unknown)
  }

  private func broken(_ fault: TransportFault) -> SourceFailure {
    // Bytes that are not HTTP any more in the middle of a body: the connection is as good as lost.
    let kind = fault.kind == .badAnswer ? .unreachable : fault.kind.failureKind
    return SourceFailure(kind, "\(subject): \(fault.text), after \(delivered) bytes", billing: .unknown)
  }
}
