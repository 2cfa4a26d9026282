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
  /// `by-name/` beside the members of a group.
  case nameDirectory(TaskGroup)
  case nameLink(TaskGroup, String)
  /// The directory `results/` (no components), or a directory below it.
  case resultDirectory(TaskPath, [String], Edition)
  case resultFile(TaskPath, [String], Edition)

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
    case .nameDirectory(let group): group.description + "/" + NameLinks.directory
    case .nameLink(let group, let name): [group.description, NameLinks.directory, name].joined(separator: "/")
    case .resultDirectory(let task, let components, _), .resultFile(let task, let components, _):
      ([task.description, Self.resultsName] + components).joined(separator: "/")
    }
  }

  /// The task that this node belongs to, if any.
  var task: TaskPath? {
    switch self {
    case .root, .readme, .controlDirectory, .control, .group, .nameDirectory, .nameLink: nil
    case .task(let task), .taskFile(let task, _), .resultDirectory(let task, _, _), .resultFile(let task, _, _): task
    }
  }

  static let readmeName = "README.txt"
  static let controlName = ".tollfs"
  static let resultsName = "results"

  /// The version of the package that the node's content belongs to.
  private var edition: Edition {
    switch self {
    case .resultDirectory(_, let components, let edition): components.isEmpty ? .only : edition
    case .resultFile(_, _, let edition): edition
    case .root, .readme, .controlDirectory, .control, .group, .nameDirectory, .nameLink, .task, .taskFile: .only
    }
  }

  /// The same number for the same path on every mount, since it is made of nothing but the path (FNV-1a, 64 bits), and of the
  /// package's version below `results/`: so the kernel never mixes pages of two versions in one file.
  /// Programs that remember inode numbers (rsync, backup tools) so find the same files after a remount.
  var inode: InodeNumber {
    if case .root = self { return .root }
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in path.utf8 {
      hash ^= UInt64(byte)
      hash = hash &* 0x100_0000_01b3
    }
    if edition != .only {
      hash ^= edition.value
      hash = hash &* 0x100_0000_01b3
    }
    // 0 is no inode and 1 is the root.
    return InodeNumber(hash > 1 ? hash : hash &+ 2)
  }
}

/// Which version of a task's package names and content are of, as a number that is the same on every mount.
struct Edition: Hashable, Sendable {
  let value: UInt64

  /// Of results that do not come from a package, and so have no versions.
  static let only = Edition(value: 0)

  init(_ version: PackageVersion?) {
    guard let version else {
      self = .only
      return
    }
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in "\(version.size) \(version.validator ?? "")".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    value = max(1, hash)
  }

  private init(value: UInt64) {
    self.value = value
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
