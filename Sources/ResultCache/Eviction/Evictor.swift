import GRDB
import Glibc
import Logging
import Tasks

/// Drops a task's bytes and keeps its listing, so that the price of fetching them again stays exactly known. Blocking.
struct Evictor: Sendable {
  enum Outcome {
    case evicted(ByteCount)
    /// Somebody downloads, evicts or recovers the task.
    case busy
    /// Somebody reads one of its files.
    case inUse
    case pinned
  }

  private enum Drop {
    case dropped(names: [String], bytes: ByteCount)
    case busy
    case pinned
  }

  let core: CacheCore

  /// - Parameter evenInUse: whether to go on although files are being read; their readers keep what they have open.
  func evict(_ task: Int64, evenInUse: Bool, evenPinned: Bool = false) throws(CacheFailure) -> Outcome {
    guard let row = try core.index.readBlocking({ try TaskRow.find($0, id: task) }) else { return .evicted(.zero) }
    guard let lock = try FileLock.attempt(core.layout.lock(of: row.folder)) else { return .busy }
    return try withExtendedLifetime(lock) { () throws(CacheFailure) in
      if !evenInUse, try isInUse(row) { return .inUse }
      let (names, bytes): ([String], ByteCount)
      switch try drop(row, evenPinned: evenPinned) {
      case .busy: return .busy
      case .pinned: return .pinned
      case .dropped(let dropped, let count): (names, bytes) = (dropped, count)
      }
      core.layout.remove(names, of: row.folder)
      try core.index.writeBlocking { try Publishing.markSwept($0, task: row.id) }
      try? core.recount()
      core.logger.debug(
        "evicted", metadata: ["task": "\(row.path)", "bytes": "\(bytes)", "files": "\(names.count)"])
      return .evicted(bytes)
    }
  }

  private func isInUse(_ row: TaskRow) throws(CacheFailure) -> Bool {
    let names = try core.index.readBlocking { db in
      try String.fetchAll(db, sql: "SELECT name FROM object WHERE task = ?", arguments: [row.id])
    }
    return names.contains { ReadMark.isSet(on: core.layout.object($0, of: row.folder)) }
  }

  /// Durable before a file goes: after a power loss evicted content must not look like damaged content.
  /// Damaged members stay damaged: eviction must not turn them into what is bought again by itself.
  private func drop(_ row: TaskRow, evenPinned: Bool) throws(CacheFailure) -> Drop {
    try core.index.writeBlocking(durably: true) { db in
      // A download may have crashed and left its lock since the row was read.
      guard let row = try TaskRow.find(db, id: row.id), row.arriving == nil else { return .busy }
      // In the same transaction: whoever pins afterwards finds it evicted, whoever pinned before keeps it.
      if row.isPinned, !evenPinned { return .pinned }
      let objects = try Row.fetchAll(db, sql: "SELECT name, size FROM object WHERE task = ?", arguments: [row.id])
      try db.execute(
        sql:
          "UPDATE member SET state = CASE state WHEN 'stored' THEN 'evicted' ELSE state END, object = NULL WHERE task = ?",
        arguments: [row.id])
      try db.execute(sql: "DELETE FROM object WHERE task = ?", arguments: [row.id])
      try db.execute(sql: "UPDATE task SET unswept = 1 WHERE id = ?", arguments: [row.id])
      let bytes = objects.reduce(ByteCount.zero) { $0 + ByteCount($1["size"] as Int64) }
      return .dropped(names: objects.map { $0["name"] as String }, bytes: bytes)
    }
  }
}
