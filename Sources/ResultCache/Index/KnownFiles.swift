import GRDB

/// The files that may be in a task's folder.
enum KnownFiles {
  static func names(_ db: Database, task: Int64) throws -> Set<String> {
    // The map of a billed object goes once the index is known to be on the disk.
    let objects = try Row.fetchAll(
      db, sql: "SELECT name, partial OR NOT durable AS mapped FROM object WHERE task = ?", arguments: [task])
    var names = Set(try String.fetchAll(db, sql: "SELECT name FROM points WHERE task = ?", arguments: [task]))
    for object in objects {
      let name: String = object["name"]
      names.insert(name)
      if object["mapped"] { names.insert(name + CacheLayout.mapSuffix) }
    }
    return names
  }
}
