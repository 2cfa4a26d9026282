import FileSystem

/// The names in a task's results, as a tree. A plain value: built from the cache's listing, or member by member while a
/// download is running.
struct ResultIndex: Sendable {
  /// One file of the results.
  struct File: Hashable, Sendable {
    let ordinal: Int
    let components: [String]
    let size: UInt64
    let modified: Timestamp
    let crc32: UInt32?
    /// Why it can't be opened although it is listed (encrypted, damaged, ...), or nil.
    let failure: FileSystemFailure?
  }

  enum Found: Sendable {
    case file(File)
    case directory([String], modified: Timestamp?)
  }

  struct Child: Hashable, Sendable {
    let name: String
    let isDirectory: Bool
  }

  private struct Directory: Sendable {
    var children: [Child] = []
    var modified: Timestamp?
  }

  private var files: [ByteKey: File] = [:]
  private var directories: [ByteKey: Directory] = [ByteKey([]): Directory()]

  /// The sum of the sizes of all files, in bytes.
  private(set) var totalSize: UInt64 = 0

  var fileCount: Int { files.count }

  /// Adds a file, or replaces what is known of it; the directories above it come with it.
  mutating func insert(_ file: File) {
    let key = ByteKey(file.components)
    if let old = files.updateValue(file, forKey: key) {
      totalSize &-= old.size
    } else {
      link(file.components, isDirectory: false)
    }
    totalSize &+= file.size
  }

  /// Adds a directory that the archive lists by itself.
  mutating func insertDirectory(_ components: [String], modified: Timestamp?) {
    let key = ByteKey(components)
    if directories[key] == nil {
      directories[key] = Directory()
      link(components, isDirectory: true)
    }
    if let modified { directories[key]?.modified = modified }
  }

  func find(_ components: [String]) -> Found? {
    let key = ByteKey(components)
    if let file = files[key] { return .file(file) }
    return directories[key].map { .directory(components, modified: $0.modified) }
  }

  func file(_ components: [String]) -> File? { files[ByteKey(components)] }

  /// The names in a directory, in the archive's order; nil when there is no such directory.
  func children(of components: [String]) -> [Child]? {
    directories[ByteKey(components)]?.children
  }

  private mutating func link(_ components: [String], isDirectory: Bool) {
    guard let name = components.last else { return }
    let parent = Array(components.dropLast())
    let key = ByteKey(parent)
    if directories[key] == nil {
      directories[key] = Directory()
      link(parent, isDirectory: true)
    }
    directories[key]?.children.append(Child(name: name, isDirectory: isDirectory))
  }
}
