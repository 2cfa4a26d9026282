/// A task as the simulated API knows it: an id, what its status does as time goes by, and what its download holds.
public struct SimulatedTask: Sendable, Equatable {
  public var id: String
  public var script: TaskScript
  public var result: TaskResult

  public init(id: String, script: TaskScript, result: TaskResult = .none) {
    self.id = id
    self.script = script
    self.result = result
  }

  /// A task that stays as it is until a test changes it.
  public init(id: String, state: TaskState, result: TaskResult = .none) {
    self.init(id: id, script: .fixed(state), result: result)
  }

  /// A completed task with these files.
  public init(id: String, files: [SimulatedFile], style: ZipStyle = .streamed) {
    self.init(id: id, state: .completed, result: .files(files, style: style))
  }
}

/// What "Get Task Status" says of a task; the words are the API's.
public enum TaskState: Sendable, Equatable {
  case pending
  case running(completedEpisodes: Int, totalEpisodes: Int)
  case completed
  case failed(code: String, message: String)
  case cancelled

  /// The value of `data.status`.
  public var word: String {
    switch self {
    case .pending: "pending"
    case .running: "running"
    case .completed: "completed"
    case .failed: "failed"
    case .cancelled: "cancelled"
    }
  }
}

/// The states a task goes through, as a function of the seconds since it was added.
public struct TaskScript: Sendable, Equatable {
  /// One stretch of it.
  public enum Phase: Sendable, Equatable {
    /// Stays in a state for so many seconds; nil is for ever.
    case hold(TaskState, seconds: Double?)
    /// Runs from so many episodes to all of them, each taking so many seconds.
    case progress(fromEpisode: Int, totalEpisodes: Int, secondsPerEpisode: Double)
  }

  public var phases: [Phase]

  public init(_ phases: [Phase]) {
    self.phases = phases
  }

  public static func fixed(_ state: TaskState) -> Self { Self([.hold(state, seconds: nil)]) }

  /// Runs through its episodes and then stays in `final`.
  public static func progressing(
    fromEpisode: Int = 0, totalEpisodes: Int, secondsPerEpisode: Double, final: TaskState = .completed
  ) -> Self {
    Self([
      .progress(fromEpisode: fromEpisode, totalEpisodes: totalEpisodes, secondsPerEpisode: secondsPerEpisode),
      .hold(final, seconds: nil),
    ])
  }

  /// The state so many seconds after the start. A script that has run out stays in its last state.
  public func state(after seconds: Double) -> TaskState {
    var rest = max(seconds, 0)
    var last = TaskState.pending
    for phase in phases {
      switch phase {
      case .hold(let state, nil): return state
      case .hold(let state, let length?):
        if rest < length { return state }
        rest -= length
        last = state
      case .progress(let from, let total, let pace):
        let length = Double(max(total - from, 0)) * pace
        if rest < length { return .running(completedEpisodes: from + Int(rest / pace), totalEpisodes: total) }
        rest -= length
        last = .running(completedEpisodes: total, totalEpisodes: total)
      }
    }
    return last
  }
}

/// What a completed task's download holds.
public enum TaskResult: Sendable, Equatable {
  /// The API says "No result data available for this task."
  case none
  /// A zip made of these while it is sent. With no files, the API says "No downloadable files found for this task."
  case files([SimulatedFile], style: ZipStyle)
  /// These bytes, whatever they are; `originalBytes` is what is billed.
  case archive([UInt8], originalBytes: Int64)
  /// A file of this machine, read while it is sent; `originalBytes` is what is billed.
  case archiveFile(path: String, originalBytes: Int64)

  /// The bytes that the API bills: the sum of the files' original sizes ("not compressed zip size").
  public var originalBytes: Int64 {
    switch self {
    case .none: 0
    case .files(let files, _): files.reduce(0) { $0 + $1.size }
    case .archive(_, let bytes), .archiveFile(_, let bytes): bytes
    }
  }

  /// "Files with duplicate names are automatically renamed with a numeric suffix (e.g., file.json, file_1.json)", as the
  /// download page has it.
  static func renamingDuplicates(_ files: [SimulatedFile]) -> [SimulatedFile] {
    var taken = Set(files.map(\.name))
    var seen: Set<[UInt8]> = []
    return files.map { file in
      guard !seen.insert(file.name).inserted else { return file }
      let slash = file.name.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
      let dot = file.name[slash...].lastIndex(of: UInt8(ascii: ".")) ?? file.name.endIndex
      var copy = file
      for number in 1... {
        copy.name = Array(file.name[..<dot]) + Array("_\(number)".utf8) + Array(file.name[dot...])
        if taken.insert(copy.name).inserted { break }
      }
      seen.insert(copy.name)
      return copy
    }
  }
}
