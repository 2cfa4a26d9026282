import GRDB

/// A member of a package whose bytes were found damaged.
struct DamagedMember: Sendable {
  let folder: String
  /// As it is listed from now on.
  let member: CachedMember
  /// Some of its bytes are right, perhaps.
  let isPartial: Bool
  /// The file that nothing refers to any more.
  let dropped: String?

  /// Lists damaged members as what is not here.
  static func forget(_ db: Database, in task: TaskRow) throws -> [DamagedMember] {
    let rows = try MemberRow.all(db, task: task.id, generation: task.generation)
      .filter { $0.state == .damaged && $0.place != nil }
    return try rows.map { row in
      let object = try row.object.flatMap { try ObjectRow.find(db, id: $0) }
      let isPartial = object?.isPartial == true
      try db.execute(
        sql: """
          UPDATE member SET state = 'evicted', reason = NULL, object = CASE WHEN ? THEN object END
          WHERE task = ? AND generation = ? AND ordinal = ?
          """, arguments: [isPartial, task.id, task.generation, row.ordinal])
      if let object, !isPartial {
        try db.execute(sql: "DELETE FROM object WHERE id = ?", arguments: [object.id])
        try db.execute(sql: "UPDATE task SET unswept = 1 WHERE id = ?", arguments: [task.id])
      }
      let listed = MemberRow(
        ordinal: row.ordinal, path: row.path, size: row.size, modifiedSeconds: row.modifiedSeconds,
        modifiedNanoseconds: row.modifiedNanoseconds, crc32: row.crc32, state: .evicted, place: row.place)
      return DamagedMember(
        folder: task.folder, member: CachedMember(listed), isPartial: isPartial,
        dropped: isPartial ? nil : object?.name)
    }
  }
}
