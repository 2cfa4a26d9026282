import CFuse
import Logging
import Synchronization

/// Where libfuse's own messages go. There is one place for the whole process, so the logger of the last session has them.
enum LibraryLog {
  private struct State {
    var logger: Logger?
    var lastMessage = ""
  }

  private static let state = Mutex(State())

  /// What libfuse said last: the reason, where it has just failed.
  static var lastMessage: String { state.withLock { $0.lastMessage } }

  static func send(to logger: Logger) {
    state.withLock { state in
      state.logger = logger
      state.lastMessage = ""
    }
    tollfs_set_log_sink { level, message in
      guard let message else { return }
      LibraryLog.write(String(cString: message), level: level)
    }
  }

  private static func write(_ message: String, level: Int32) {
    let line = String(message.split(separator: "\n").joined(separator: " "))
    guard !line.isEmpty else { return }
    let logger = state.withLock { state in
      state.lastMessage = line
      return state.logger
    }
    let known: Logger.Level =
      switch UInt32(bitPattern: level) {
      case ...FUSE_LOG_ERR.rawValue: .error
      case FUSE_LOG_WARNING.rawValue: .warning
      default: .debug
      }
    logger?.log(level: known, "libfuse", metadata: ["message": "\(line)"])
  }
}
