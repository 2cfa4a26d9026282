import FileSystem
import Tasks

/// What a path of the mount is.
enum Node: Hashable, Sendable {
  case root
  case readme
  case controlDirectory
  case control(ControlFile)
  /// A source, or a group of tasks inside it: fewer ids than lead to a task.
  case group(SourceName, [String])
  case task(TaskPath)
  case taskFile(TaskPath, TaskFile)
  /// The directory `results/` (no components), or a directory below it.
  case resultDirectory(TaskPath, [String])
  case resultFile(TaskPath, [String])

  /// The path from the root of the mount, without a leading slash; empty for the root.
  var path: String {
    switch self {
    case .root: ""
    case .readme: Self.readmeName
    case .controlDirectory: Self.controlName
    case .control(let file): Self.controlName + "/" + file.rawValue
    case .group(let source, let ids): ([source.text] + ids).joined(separator: "/")
    case .task(let task): task.description
    case .taskFile(let task, let file): task.description + "/" + file.rawValue
    case .resultDirectory(let task, let components), .resultFile(let task, let components):
      ([task.description, Self.resultsName] + components).joined(separator: "/")
    }
  }

  /// The task that this node belongs to, if any.
  var task: TaskPath? {
    switch self {
    case .root, .readme, .controlDirectory, .control, .group: nil
    case .task(let task), .taskFile(let task, _), .resultDirectory(let task, _), .resultFile(let task, _): task
    }
  }

  static let readmeName = "README.txt"
  static let controlName = ".tollfs"
  static let resultsName = "results"

  /// The same number for the same path on every mount, since it is made of nothing but the path (FNV-1a, 64 bits).
  /// Programs that remember inode numbers (rsync, backup tools) so find the same files after a remount.
  var inode: InodeNumber {
    if case .root = self { return .root }
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in path.utf8 {
      hash ^= UInt64(byte)
      hash = hash &* 0x100_0000_01b3
    }
    // 0 is no inode and 1 is the root.
    return InodeNumber(hash > 1 ? hash : hash &+ 2)
  }
}

/// The files that each task has.
enum TaskFile: String, Hashable, Sendable, CaseIterable {
  case status = "status"
  case statusJSON = "status.json"
  case cost = "cost"
}

/// The files in `.tollfs/`.
enum ControlFile: String, Hashable, Sendable, CaseIterable {
  case budget = "budget"
  case ledger = "ledger.csv"
  case errors = "errors"
  case metrics = "metrics"
}
