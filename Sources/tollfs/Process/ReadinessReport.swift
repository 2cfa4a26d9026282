import Glibc
import Synchronization

/// How a mount in the background tells the command that started it how it went: one message over a pipe.
///
/// The message is `ready`, or the exit status and what to print. An end without a message means that the process died.
enum ReadinessMessage: Hashable, Sendable {
  case ready
  case failed(ExitStatus, String)

  var bytes: [UInt8] {
    switch self {
    case .ready: Array("ready\n".utf8)
    case .failed(let status, let text): Array("failed \(status.rawValue)\n\(text)".utf8)
    }
  }

  /// nil for anything that is not a whole message: the other side was cut off.
  init?(bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    if text == "ready\n" {
      self = .ready
      return
    }
    let lines = text.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
    guard lines.count == 2, lines[0].hasPrefix("failed "), let number = Int32(lines[0].dropFirst("failed ".count)),
      let status = ExitStatus(rawValue: number)
    else { return nil }
    self = .failed(status, String(lines[1]))
  }
}

/// The background's end of the pipe. What is reported first counts; the pipe is closed with it.
final class ReadinessReport: Sendable {
  private let descriptor: Mutex<Int32?>

  /// - Parameter descriptor: nil in front, where nobody waits.
  init(descriptor: Int32?) {
    if let descriptor { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    self.descriptor = Mutex(descriptor)
  }

  /// Whether somebody waits for a report.
  var isAwaited: Bool { descriptor.withLock { $0 != nil } }

  /// Returns false when the one who waited has gone away.
  @discardableResult
  func send(_ message: ReadinessMessage) -> Bool {
    let descriptor = descriptor.withLock { descriptor in
      defer { descriptor = nil }
      return descriptor
    }
    guard let descriptor else { return true }
    defer { close(descriptor) }
    // A message is shorter than PIPE_BUF and the pipe is empty, so the write is whole and does not block; SIGPIPE is ignored.
    let bytes = message.bytes.prefix(4_000)
    return bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } == bytes.count
  }
}
