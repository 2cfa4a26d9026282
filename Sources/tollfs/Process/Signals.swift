import Foundation
import Glibc
import Synchronization

/// The signals that the program answers, as a stream. While it exists they do nothing else; after it they do what they did
/// at first. One at a time.
///
/// Not by a dispatch source: that wants the signals ignored, which programs that are started would inherit.
final class Signals: Sendable {
  enum Received: Sendable {
    /// SIGTERM or SIGINT.
    case stop
    /// SIGHUP.
    case reload
  }

  let stream: AsyncStream<Received>
  private let numbers: [Int32]

  init(reloads: Bool) {
    let (stream, continuation) = AsyncStream.makeStream(of: Received.self)
    self.stream = stream
    numbers = [SIGTERM, SIGINT] + (reloads ? [SIGHUP] : [])
    SignalPipe.deliver { continuation.yield($0 == SIGHUP ? .reload : .stop) }
    for number in numbers { SignalPipe.catch(number) }
  }

  deinit {
    for number in numbers { signal(number, SIG_DFL) }
  }

  /// A write to a closed pipe is an error like any other, not the end of the process.
  static func ignoreBrokenPipes() {
    signal(SIGPIPE, SIG_IGN)
  }
}

/// A pipe that a signal handler writes the signal's number to, and a thread that reads it (the "self-pipe trick"): next to
/// nothing else may be called in a handler (signal-safety(7)).
private enum SignalPipe {
  /// What the handler writes to. Atomic: an ordinary variable would be checked for exclusive access, in a handler too.
  private static let writer = Atomic<Int32>(-1)
  private static let receiver = Mutex<(@Sendable (Int32) -> Void)?>(nil)

  /// - Parameter receiver: called on a thread of its own for every signal; takes the place of the one before it.
  static func deliver(to receiver: @escaping @Sendable (Int32) -> Void) {
    let isFirst = self.receiver.withLock { current in
      defer { current = receiver }
      return current == nil
    }
    guard isFirst else { return }
    var ends: [Int32] = [-1, -1]
    // Without a pipe signals keep their first meaning: SIGTERM then ends the process at once, which everything survives.
    guard pipe(&ends) == 0 else { return }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    // A handler must never wait; thousands of signals that nobody has read yet are as good as one.
    _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
    let reader = ends[0]
    writer.store(ends[1], ordering: .releasing)
    Thread.detachNewThread { read(from: reader) }
  }

  static func `catch`(_ number: Int32) {
    guard writer.load(ordering: .acquiring) >= 0 else { return }
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { number in
      let saved = errno
      var byte = UInt8(truncatingIfNeeded: number)
      _ = Glibc.write(SignalPipe.writer.load(ordering: .acquiring), &byte, 1)
      errno = saved
    }
    action.sa_flags = SA_RESTART
    sigaction(number, &action, nil)
  }

  private static func read(from reader: Int32) {
    // Whoever started this program may have blocked them; one thread that takes them is enough.
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&signals, number) }
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    while true {
      var byte: UInt8 = 0
      let count = Glibc.read(reader, &byte, 1)
      if count < 0, errno == EINTR { continue }
      guard count == 1 else { return }
      receiver.withLock { $0 }?(Int32(byte))
    }
  }
}
