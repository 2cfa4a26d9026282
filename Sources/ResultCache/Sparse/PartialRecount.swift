import GRDB
import Glibc
import Logging

/// Puts right how much members use that arrive in parts: a process that was killed was promised more than it wrote. Blocking.
struct PartialRecount: Sendable {
  enum Which: Sendable {
    /// After a start of the machine: what the index says last of any of them may be lost.
    case all
    case claimed
  }

  private struct Item {
    let object: Int64
    let name: String
    let folder: String
    let counted: Int64
    let size: UInt64
  }

  let core: CacheCore

  /// - Returns: how many were wrong.
  func run(_ which: Which) throws(CacheFailure) -> Int {
    var wrong = 0
    for item in try core.index.readBlocking({ try Self.items($0, which) }) where try recount(item) { wrong += 1 }
    if which == .all { try recountPoints() }
    return wrong
  }

  private static func items(_ db: Database, _ which: Which) throws -> [Item] {
    try Row.fetchAll(
      db,
      sql: """
        SELECT object.id AS id, object.name AS name, task.folder AS folder, object.size AS counted, member.size AS size
        FROM object JOIN task ON task.id = object.task JOIN member ON member.object = object.id
        WHERE object.partial AND (? OR object.claimants > 0)
        """, arguments: [which == .all]
    ).map { row in
      Item(
        object: row["id"], name: row["name"], folder: row["folder"], counted: row["counted"],
        size: UInt64(clamping: row["size"] as Int64))
    }
  }

  /// Leaves alone what a living process has open: it holds the readers' mark.
  private func recount(_ item: Item) throws(CacheFailure) -> Bool {
    let file: Descriptor?
    do throws(CacheFailure) {
      file = try Descriptor.open(core.layout.object(item.name, of: item.folder), O_RDONLY)
    } catch {
      guard error.kind == .notFound else { throw error }
      file = nil
    }
    if let file, try !FileLock.attempt(file.number, .exclusive) { return false }
    return try withExtendedLifetime(file) { () throws(CacheFailure) in
      let used = file == nil ? 0 : try used(item)
      try core.index.writeBlocking { db in
        try db.execute(
          sql: "UPDATE object SET size = ?, claimants = 0 WHERE id = ? AND partial", arguments: [used, item.object])
      }
      if used != item.counted {
        core.logger.debug(
          "counted anew what a file uses",
          metadata: ["object": "\(item.name)", "bytes": "\(used)", "before": "\(item.counted)"])
      }
      return used != item.counted
    }
  }

  private func used(_ item: Item) throws(CacheFailure) -> Int64 {
    let path = core.layout.map(item.name, of: item.folder)
    guard access(path, F_OK) == 0 else { return 0 }
    let map = try SparseMap(path, count: BlockMath.count(of: item.size))
    guard try map.isOf(size: item.size) else { return 0 }
    return BlockMath.length(of: try map.present(), in: item.size)
  }

  private func recountPoints() throws(CacheFailure) {
    let layout = core.layout
    try core.index.writeBlocking { db in
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT points.id AS id, points.name AS name, task.folder AS folder FROM points
          JOIN task ON task.id = points.task
          """)
      for row in rows {
        var status = stat()
        let isThere = stat(layout.object(row["name"], of: row["folder"]), &status) == 0
        try db.execute(
          sql: "UPDATE points SET size = ? WHERE id = ?", arguments: [isThere ? Int64(status.st_size) : 0, row["id"]])
      }
    }
  }
}
