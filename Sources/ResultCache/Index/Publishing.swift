import GRDB

/// How a download ended, for the index.
struct DownloadEnding: Sendable {
  let merge: GenerationMerge.Ending
  /// For a broken one.
  let reason: String?
  let word: String?

  static let complete = DownloadEnding(merge: .complete, reason: nil, word: nil)

  static func broken(reason: String, word: String) -> DownloadEnding {
    DownloadEnding(merge: .broken, reason: reason, word: word)
  }
}

/// The steps that begin and end a download in the index; each runs in one transaction.
enum Publishing {
  /// Notes that a download begins. Must be durable before the first file is made, so that files can't outlive a crash unseen.
  static func begin(_ db: Database, path: String, folder: String, isBilled: Bool, promised: Int64, now: Int64) throws
    -> TaskRow
  {
    try db.execute(
      sql: """
        INSERT INTO task (id, path, folder, billed, last_used) VALUES (\(IndexSchema.newID), ?, ?, ?, ?)
        ON CONFLICT (path) DO UPDATE SET billed = max(billed, excluded.billed)
        """, arguments: [path, folder, isBilled, now])
    try db.execute(
      sql: """
        UPDATE task SET arriving = generation + 1, arriving_size = NULL, arriving_validator = NULL, promised = ?,
          granted = 0, last_used = ? WHERE path = ?
        """,
      arguments: [promised, now, path])
    guard let row = try TaskRow.find(db, path: path) else { throw CacheFailure(.io, "the cache's index lost a row") }
    return row
  }

  /// Makes what arrived the published generation, with what stays of the one before.
  /// - Returns: names of files that nothing refers to any more; they may be removed once the transaction is durable.
  static func publish(_ db: Database, task: TaskRow, billed: Bool, ending: DownloadEnding, now: Int64) throws
    -> [String]
  {
    guard let generation = task.arriving else { return [] }
    let relation: GenerationMerge.Relation =
      task.state == nil ? .streams : .init(old: task.package, new: task.arrivingPackage)
    let merge = GenerationMerge(
      old: task.state == nil ? [] : try entries(db, task: task.id, generation: task.generation),
      new: try entries(db, task: task.id, generation: generation), ending: ending.merge, relation: relation)
    for kept in merge.kept { try carry(db, kept, task: task, to: generation) }
    if relation != .unrelated { try mergeDirectories(db, task: task, generation: generation, ending: ending.merge) }
    for table in ["member", "directory"] {
      try db.execute(
        sql: "DELETE FROM \(table) WHERE task = ? AND generation <> ?", arguments: [task.id, generation])
    }
    var dropped = try dropUnreferenced(db, task: task.id, generation: generation)
    // A task that was dropped keeps no seek points, so that there are none to be joined to another package.
    if relation != .samePackage { dropped += try SeekPointsRow.dropAll(db, task: task.id) }
    var reason = ending.reason
    if ending.merge == .broken, !merge.isSameArchive, merge.kept.contains(where: { !$0.replacesNew }) {
      reason = (reason.map { $0 + "; " } ?? "") + "the archive has changed, and files of an earlier download were kept"
    }
    let keepsTime = ending.merge == .complete && task.state == "complete" && merge.isSameListing
    try db.execute(
      sql: """
        UPDATE task SET generation = ?, state = ?, reason = ?, word = ?, billed = ?, downloaded_at = ?, last_used = ?,
          uses = max(uses, 1), used_age = (SELECT CASE WHEN ? THEN billed_age ELSE free_age END FROM held),
          package_size = arriving_size, package_validator = arriving_validator, arriving_size = NULL,
          arriving_validator = NULL, arriving = NULL, promised = 0, granted = 0, unswept = ? WHERE id = ?
        """,
      arguments: [
        generation, ending.merge == .complete ? "complete" : "broken", reason, ending.word, billed,
        keepsTime ? task.downloadedAt ?? now : now, now, billed, !dropped.isEmpty, task.id,
      ])
    return dropped
  }

  /// Takes back a download that brought nothing; what was published before stays.
  static func withdraw(_ db: Database, task: TaskRow) throws -> [String] {
    guard let generation = task.arriving else { return [] }
    let names = try String.fetchAll(
      db, sql: "SELECT name FROM object WHERE task = ? AND generation = ?", arguments: [task.id, generation])
    for table in ["member", "directory", "object"] {
      try db.execute(
        sql: "DELETE FROM \(table) WHERE task = ? AND generation = ?", arguments: [task.id, generation])
    }
    try db.execute(
      sql: """
        UPDATE task SET arriving = NULL, arriving_size = NULL, arriving_validator = NULL, promised = 0, granted = 0,
          unswept = ? WHERE id = ?
        """,
      arguments: [!names.isEmpty, task.id])
    try db.execute(sql: "DELETE FROM task WHERE id = ? AND state IS NULL AND NOT unswept", arguments: [task.id])
    return names
  }

  /// Notes that the folder holds nothing but what the index knows.
  static func markSwept(_ db: Database, task: Int64) throws {
    try db.execute(sql: "UPDATE task SET unswept = 0 WHERE id = ?", arguments: [task])
    try db.execute(
      sql: "DELETE FROM task WHERE id = ? AND state IS NULL AND arriving IS NULL AND NOT pinned", arguments: [task])
  }

  private static func entries(_ db: Database, task: Int64, generation: Int64) throws -> [GenerationMerge.Entry] {
    try MemberRow.all(db, task: task, generation: generation).map { row in
      GenerationMerge.Entry(
        ordinal: row.ordinal, path: row.path, size: row.size, crc32: row.crc32, state: row.state,
        hasPart: row.object != nil || row.state == .damaged, place: row.place)
    }
  }

  private static func carry(_ db: Database, _ kept: GenerationMerge.Kept, task: TaskRow, to generation: Int64) throws {
    if kept.replacesNew {
      try db.execute(
        sql: "DELETE FROM member WHERE task = ? AND generation = ? AND ordinal = ?",
        arguments: [task.id, generation, kept.newOrdinal])
    }
    try db.execute(
      sql: """
        UPDATE object SET generation = ? WHERE id =
          (SELECT object FROM member WHERE task = ? AND generation = ? AND ordinal = ?)
        """, arguments: [generation, task.id, task.generation, kept.ordinal])
    try db.execute(
      sql: "UPDATE member SET generation = ?, ordinal = ? WHERE task = ? AND generation = ? AND ordinal = ?",
      arguments: [generation, kept.newOrdinal, task.id, task.generation, kept.ordinal])
  }

  private static func mergeDirectories(
    _ db: Database, task: TaskRow, generation: Int64, ending: GenerationMerge.Ending
  ) throws {
    if ending == .broken {
      try db.execute(
        sql: "UPDATE OR IGNORE directory SET generation = ? WHERE task = ? AND generation = ?",
        arguments: [generation, task.id, task.generation])
    }
  }

  /// Forgets all that is known of a task's results; its pin stays.
  /// - Returns: names of files that nothing refers to any more.
  static func forget(_ db: Database, task: TaskRow) throws -> [String] {
    var names = try String.fetchAll(db, sql: "SELECT name FROM object WHERE task = ?", arguments: [task.id])
    for table in ["member", "directory", "object"] {
      try db.execute(sql: "DELETE FROM \(table) WHERE task = ?", arguments: [task.id])
    }
    names += try SeekPointsRow.dropAll(db, task: task.id)
    try db.execute(
      sql: """
        UPDATE task SET state = NULL, reason = NULL, word = NULL, package_size = NULL, package_validator = NULL,
          changes = changes + 1, unswept = 1 WHERE id = ?
        """, arguments: [task.id])
    return names
  }

  private static func dropUnreferenced(_ db: Database, task: Int64, generation: Int64) throws -> [String] {
    let names = try String.fetchAll(
      db, sql: "SELECT name FROM object WHERE task = ? AND generation <> ?", arguments: [task, generation])
    try db.execute(sql: "DELETE FROM object WHERE task = ? AND generation <> ?", arguments: [task, generation])
    return names
  }
}
