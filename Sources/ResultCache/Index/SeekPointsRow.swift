import GRDB

/// What the index says of a member's seek points. They belong to a path in one version of a package, not to a generation: a
/// new look at the same version keeps them.
struct SeekPointsRow: Sendable {
  let id: Int64
  let name: String
  let size: Int64

  init(_ row: Row) {
    id = row["id"]
    name = row["name"]
    size = row["size"]
  }

  static func find(_ db: Database, task: Int64, path: String) throws -> SeekPointsRow? {
    try Row.fetchOne(db, sql: "SELECT * FROM points WHERE task = ? AND path = ?", arguments: [task, path])
      .map(SeekPointsRow.init)
  }

  /// - Returns: names of files that nothing refers to any more.
  static func dropAll(_ db: Database, task: Int64) throws -> [String] {
    let names = try String.fetchAll(db, sql: "SELECT name FROM points WHERE task = ?", arguments: [task])
    try db.execute(sql: "DELETE FROM points WHERE task = ?", arguments: [task])
    return names
  }
}
