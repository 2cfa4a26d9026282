import GRDB

/// Notes in the index that something was used, for the order of eviction.
enum Usage {
  static func note(_ db: Database, _ unit: EvictionUnit, now: Int64) throws {
    let (table, id) =
      switch unit {
      case .stream(let id): ("task", id)
      case .member(let id): ("object", id)
      case .points(let id): ("points", id)
      }
    let age = table == "points" ? "free_age" : "CASE WHEN billed THEN billed_age ELSE free_age END"
    try db.run(
      "UPDATE \(table) SET last_used = ?, uses = uses + 1, used_age = (SELECT \(age) FROM held) WHERE id = ?",
      [now, id])
  }
}
