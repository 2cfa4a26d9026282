/// The state of a task as its API words it.
public enum TaskState: Hashable, Sendable {
  case pending, running, completed, failed, cancelled
  /// A word that the API's pages do not list. It is shown as it came and never treated as final.
  case other(String)

  /// Compares without regard to case: Pixxel gives plain strings with no enumeration (APIS.md).
  public init(word: String) {
    switch word.lowercased() {
    case "pending": self = .pending
    case "running": self = .running
    case "completed": self = .completed
    case "failed": self = .failed
    case "cancelled", "canceled": self = .cancelled
    default: self = .other(word)
    }
  }

  /// The bare word for the first line of `status`.
  public var word: String {
    switch self {
    case .pending: "pending"
    case .running: "running"
    case .completed: "completed"
    case .failed: "failed"
    case .cancelled: "cancelled"
    case .other(let word): word
    }
  }

  /// Whether the task will never leave this state.
  public var isFinal: Bool {
    switch self {
    case .completed, .failed, .cancelled: true
    case .pending, .running, .other: false
    }
  }
}

/// How far a running task has come.
public enum TaskProgress: Hashable, Sendable {
  /// So many of so many episodes.
  case episodes(completed: Int, total: Int)
  /// 0...100.
  case percent(Double)
}

/// What a source said of one task, at one moment.
public struct TaskStatus: Hashable, Sendable {
  public var state: TaskState
  public var progress: TaskProgress?
  public var errorCode: String?
  public var errorMessage: String?
  /// A name for people, where the API has one.
  public var name: String?
  /// The API's answer, byte for byte, for `status.json`.
  public var raw: [UInt8]

  public init(
    state: TaskState, progress: TaskProgress? = nil, errorCode: String? = nil, errorMessage: String? = nil,
    name: String? = nil, raw: [UInt8] = []
  ) {
    self.state = state
    self.progress = progress
    self.errorCode = errorCode
    self.errorMessage = errorMessage
    self.name = name
    self.raw = raw
  }
}
