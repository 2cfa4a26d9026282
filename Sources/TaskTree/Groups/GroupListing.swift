import Tasks

/// A place above tasks: the source itself (no ids), a workflow, a job.
struct TaskGroup: Hashable, Sendable, CustomStringConvertible {
  let source: SourceName
  let ids: [String]

  /// The group that holds this one; nil for a source.
  var parent: TaskGroup? { ids.isEmpty ? nil : TaskGroup(source: source, ids: Array(ids.dropLast())) }

  var description: String { ([source.text] + ids).joined(separator: "/") }
}

/// What an API said is below a group, in its order.
struct GroupListing: Sendable {
  /// Each id once.
  let entries: [TaskListing]
  /// Links by name beside the ids.
  let links: NameLinks
  private let positions: [String: Int]

  init(_ listed: [TaskListing]) {
    var positions: [String: Int] = [:]
    var entries: [TaskListing] = []
    for entry in listed where PathComponentRule.refusal(of: entry.id) == nil && positions[entry.id] == nil {
      positions[entry.id] = entries.count
      entries.append(entry)
    }
    self.entries = entries
    self.positions = positions
    links = NameLinks(entries)
  }

  func entry(_ id: String) -> TaskListing? { positions[id].map { entries[$0] } }
}

/// File names made of the names that people gave to workflows, jobs and tasks, each for one id.
///
/// Names need not be unique, nor fit for a file: where several ids have one name, each of them gets its id behind it, so
/// that a link keeps its meaning when another of the same name appears or goes.
struct NameLinks: Hashable, Sendable {
  /// The directory that holds them.
  static let directory = "by-name"
  /// NAME_MAX, in bytes.
  private static let longest = 255

  struct Link: Hashable, Sendable {
    let name: String
    let id: String
  }

  /// In the order of the listing.
  let links: [Link]
  private let ids: [ByteKey: String]

  init(_ entries: [TaskListing]) {
    let named = entries.compactMap { entry in Self.fileName(entry.name).map { Link(name: $0, id: entry.id) } }
    let counts = Dictionary(named.map { (ByteKey([$0.name]), 1) }, uniquingKeysWith: +)
    var ids: [ByteKey: String] = [:]
    var links: [Link] = []
    for link in named {
      let isUnique = counts[ByteKey([link.name])] == 1
      let name = isUnique ? link.name : Self.fitted(link.name, with: " (\(link.id))")
      // A name that looks like another one with its id: the ids beside the links are always there.
      guard ids.updateValue(link.id, forKey: ByteKey([name])) == nil else { continue }
      links.append(Link(name: name, id: link.id))
    }
    self.links = links
    self.ids = ids
  }

  func id(of name: String) -> String? { ids[ByteKey([name])] }

  /// nil for a name of which nothing is left.
  private static func fileName(_ name: String?) -> String? {
    guard let name else { return nil }
    var scalars = String.UnicodeScalarView()
    for scalar in name.unicodeScalars {
      let isForbidden = scalar == "/" || scalar.properties.generalCategory == .control
      scalars.append(isForbidden ? "_" : scalar)
    }
    var text = Substring(String(scalars))
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    // Hidden files are what nobody looks for here, and `.` and `..` are taken.
    if text.first == "." { text = "_" + text.dropFirst() }
    return text.isEmpty ? nil : fitted(String(text), with: "")
  }

  private static func fitted(_ name: String, with ending: String) -> String {
    var rest = Substring(name)
    while rest.utf8.count + ending.utf8.count > longest, !rest.isEmpty { rest.removeLast() }
    return rest + ending
  }
}
