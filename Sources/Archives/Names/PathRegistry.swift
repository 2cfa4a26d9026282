/// Gives each member of an archive a path of its own, and keeps files and directories apart.
///
/// Which of two equal names gets a suffix depends on their order in the archive alone, so that it is the same every time. Paths are kept
/// as 64-bit hashes, to know a million of them in little memory: two different ones with the same hash cost one of them a
/// suffix that it did not need, nothing worse.
struct PathRegistry {
  private enum Kind {
    case file
    case directory
  }

  private var kinds: [UInt64: Kind] = [:]
  /// Directories that could not keep their name, by the hash of the path they wanted.
  private var renamed: [UInt64: String] = [:]
  /// The last number tried, by the hash of the path that was wanted: a million equal names must not be a million times a million attempts.
  private var numbers: [UInt64: Int] = [:]
  /// How many paths are taken, those of directories included that only occur in paths of others.
  var count: Int { kinds.count }

  /// The path that a file gets, of at least one component.
  mutating func file(_ wanted: [String]) -> MemberPath {
    var (path, parent) = directories(wanted.dropLast())
    let (name, key) = free(wanted.last ?? PathRules.unnamed, in: parent)
    kinds[key] = .file
    path.append(name)
    return MemberPath(safe: path)
  }

  /// The path that a directory gets, the same each time it is asked for; nil when it has no component.
  mutating func directory(_ wanted: [String]) -> MemberPath? {
    wanted.isEmpty ? nil : MemberPath(safe: directories(wanted[...]).path)
  }

  private mutating func directories(_ wanted: ArraySlice<String>) -> (path: [String], key: StableHash) {
    var path: [String] = []
    var parent = StableHash()
    for component in wanted {
      let name = directory(component, in: parent)
      path.append(name)
      parent = Self.key(name, in: parent)
    }
    return (path, parent)
  }

  private mutating func directory(_ name: String, in parent: StableHash) -> String {
    let key = Self.key(name, in: parent).value
    switch kinds[key] {
    case .directory: return name
    case nil:
      kinds[key] = .directory
      return name
    case .file:
      if let other = renamed[key] { return other }
      let (other, otherKey) = free(name, in: parent)
      kinds[otherKey] = .directory
      renamed[key] = other
      return other
    }
  }

  /// The name itself, or the first with a number behind it that nobody has.
  private mutating func free(_ name: String, in parent: StableHash) -> (name: String, key: UInt64) {
    let wanted = Self.key(name, in: parent).value
    guard kinds[wanted] != nil else { return (name, wanted) }
    var number = numbers[wanted] ?? 0
    while true {
      number += 1
      let candidate = PathRules.numbered(name, number)
      let key = Self.key(candidate, in: parent).value
      if kinds[key] == nil {
        numbers[wanted] = number
        return (candidate, key)
      }
    }
  }

  private static func key(_ name: String, in parent: StableHash) -> StableHash {
    var key = parent
    key.combine("/")
    key.combine(name)
    return key
  }
}
