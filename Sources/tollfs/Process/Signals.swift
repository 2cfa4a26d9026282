// Dispatch does not say that its sources are Sendable; they may be used from any thread.
@preconcurrency import Dispatch
import Glibc

/// The signals that the program answers, as a stream. While it exists they do nothing else.
final class Signals: Sendable {
  enum Received: Sendable {
    /// SIGTERM or SIGINT.
    case stop
    /// SIGHUP.
    case reload
  }

  let stream: AsyncStream<Received>
  private let sources: [any DispatchSourceSignal]

  init(reloads: Bool) {
    let (stream, continuation) = AsyncStream.makeStream(of: Received.self)
    self.stream = stream
    var handled: [(Int32, Received)] = [(SIGTERM, .stop), (SIGINT, .stop)]
    if reloads { handled.append((SIGHUP, .reload)) }
    sources = handled.map { number, meaning in
      // The default action would end the process before the source sees anything.
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { continuation.yield(meaning) }
      source.resume()
      return source
    }
  }

  deinit {
    for source in sources { source.cancel() }
  }

  /// A write to a closed pipe is an error like any other, not the end of the process.
  static func ignoreBrokenPipes() {
    signal(SIGPIPE, SIG_IGN)
  }
}
