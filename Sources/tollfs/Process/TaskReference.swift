import Tasks

/// Understands how a user names a task: `screenplay/ID`, or a path below a mountpoint.
struct TaskReference {
  /// How many ids lead to a task of each configured source.
  let depths: [SourceName: Int]
  let walk: PathWalk
  /// Absolute; where relative paths begin.
  let workingDirectory: String

  /// The files of a task, and the directory of its results (INTERFACE: "The tree").
  private static let files: Set<String> = ["status", "status.json", "cost"]
  private static let results = "results"

  /// - Throws: with a reason for the user, when no task is named.
  func task(_ text: String) throws(UnreadableValue) -> TaskPath {
    let isPath = text.hasPrefix("/") || text.hasPrefix("./") || text.hasPrefix("../") || text == "." || text == ".."
    let parts = text.split(separator: "/").map(String.init)
    // What begins with a configured source is meant so wherever one stands.
    if !isPath, let first = parts.first, let source = SourceName(first), depths[source] != nil {
      return try task(parts, given: text)
    }
    if let resolved = walk.resolve(text, from: workingDirectory), let found = walk.split(resolved) {
      return try task(found.inside, given: text)
    }
    if isPath { throw UnreadableValue("\(text) is not below a mountpoint of tollfs") }
    let names = depths.keys.sorted().map(\.text).joined(separator: ", ")
    throw UnreadableValue(
      "\(text) names no task: write SOURCE/ID, where SOURCE is one of the configuration (\(names.isEmpty ? "it has none" : names)), "
        + "or a path below a mountpoint")
  }

  private func task(_ parts: [String], given text: String) throws(UnreadableValue) -> TaskPath {
    guard let first = parts.first, let source = SourceName(first), let depth = depths[source] else {
      throw UnreadableValue("\(text) names no task: `\(parts.first ?? "")` is no source of the configuration")
    }
    let ids = Array(parts.dropFirst().prefix(depth))
    guard ids.count == depth else {
      let shape =
        depth == 1 ? "\(source)/ID" : "\(source)/" + Array(repeating: "ID", count: depth).joined(separator: "/")
      throw UnreadableValue("\(text) names no task: write \(shape)")
    }
    let rest = parts.dropFirst(depth + 1)
    if let next = rest.first {
      guard next == Self.results || (rest.count == 1 && Self.files.contains(next)) else {
        throw UnreadableValue(
          "\(text) names no task: what follows \(source)/\(ids.joined(separator: "/")) is not part of one")
      }
    }
    for id in ids {
      if let refusal = PathComponentRule.refusal(of: id) {
        throw UnreadableValue("\(text) names no task: `\(id)` \(refusal)")
      }
    }
    guard let task = TaskPath(source: source, ids: ids) else { throw UnreadableValue("\(text) names no task") }
    return task
  }
}
