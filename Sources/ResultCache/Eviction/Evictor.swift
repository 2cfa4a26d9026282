import GRDB
import Glibc
import Logging
import Tasks

/// Drops bytes and keeps the listing, so that the price of fetching them again stays exactly known. Blocking.
struct Evictor: Sendable {
  enum Outcome {
    case evicted(ByteCount)
    /// Somebody downloads, evicts or recovers the task.
    case busy
    /// Somebody reads these, and nothing else was to go.
    case inUse(Set<EvictionUnit>)
    case pinned
  }

  private enum Drop {
    case dropped(names: [String], bytes: ByteCount)
    case busy
    case pinned
  }

  /// A row with its file.
  private struct Item {
    let table: String
    let id: Int64
    let name: String
    let bytes: Int64
    let unit: EvictionUnit
  }

  let core: CacheCore

  /// Drops everything of a task, also what is being read: its readers keep what they have open.
  func evictAll(of task: Int64, evenPinned: Bool) throws(CacheFailure) -> Outcome {
    try locked(task) { row throws(CacheFailure) in
      let items = try core.index.readBlocking { db in
        try Self.items(db, in: "object", where: "task = ?", row.id)
          + Self.items(db, in: "points", where: "task = ?", row.id)
      }
      return try drop(items, of: row, evenPinned: evenPinned, ages: nil)
    }
  }

  /// Drops victims of one task.
  func evict(_ victims: [EvictionPlan.Candidate]) throws(CacheFailure) -> Outcome {
    guard let task = victims.first?.task else { return .evicted(.zero) }
    return try locked(task) { row throws(CacheFailure) in
      let items = try core.index.readBlocking { db in try victims.flatMap { try Self.items(db, of: $0.unit) } }
      let sparing = Set(victims.filter { !$0.isInUse }.map(\.unit))
      let inUse = Set(
        items.filter { sparing.contains($0.unit) && ReadMark.isSet(on: core.layout.object($0.name, of: row.folder)) }
          .map(\.unit))
      let going = items.filter { !inUse.contains($0.unit) }
      if going.isEmpty, !inUse.isEmpty { return .inUse(inUse) }
      var ages = EvictionAges(free: 0, billed: 0)
      for victim in victims where !inUse.contains(victim.unit) { ages.drop(victim) }
      return try drop(going, of: row, evenPinned: false, ages: ages)
    }
  }

  private func locked(
    _ task: Int64, _ body: (TaskRow) throws(CacheFailure) -> Outcome
  ) throws(CacheFailure) -> Outcome {
    guard let row = try core.index.readBlocking({ try TaskRow.find($0, id: task) }) else { return .evicted(.zero) }
    guard let lock = try FileLock.attempt(core.layout.lock(of: row.folder)) else { return .busy }
    return try withExtendedLifetime(lock) { () throws(CacheFailure) in try body(row) }
  }

  private func drop(
    _ items: [Item], of row: TaskRow, evenPinned: Bool, ages: EvictionAges?
  ) throws(CacheFailure) -> Outcome {
    // What is promised and not used goes nowhere.
    let ahead = ByteCount(items.reduce(0) { $0 + (core.sparseObjects.object($1.id)?.roomAhead ?? 0) })
    // Durable before a file goes: after a power loss evicted content must not look like damaged content.
    let drop = try core.index.writeBlocking(durably: true) { db in
      try Self.drop(db, items, of: row.id, evenPinned: evenPinned, ages: ages)
    }
    switch drop {
    case .busy: return .busy
    case .pinned: return .pinned
    case .dropped(let names, let counted):
      let bytes = counted - ahead
      core.layout.remove(names, of: row.folder)
      try core.index.writeBlocking { try Publishing.markSwept($0, task: row.id) }
      try? core.recount()
      core.logger.debug(
        "evicted", metadata: ["task": "\(row.path)", "bytes": "\(bytes)", "files": "\(names.count)"])
      return .evicted(bytes)
    }
  }

  private static func items(_ db: Database, of unit: EvictionUnit) throws -> [Item] {
    switch unit {
    case .stream(let task): try items(db, in: "object", where: "task = ? AND NOT single", task)
    case .member(let object): try items(db, in: "object", where: "id = ?", object)
    case .points(let id): try items(db, in: "points", where: "id = ?", id)
    }
  }

  private static func items(_ db: Database, in table: String, where condition: String, _ id: Int64) throws -> [Item] {
    let single = table == "object" ? "single" : "1"
    let rows = try Row.fetchAll(
      db, sql: "SELECT id, task, name, size, \(single) AS single FROM \(table) WHERE \(condition)", arguments: [id])
    return rows.map { row in
      let id: Int64 = row["id"]
      let unit: EvictionUnit =
        table == "points" ? .points(id) : row["single"] ? .member(object: id) : .stream(task: row["task"])
      return Item(table: table, id: id, name: row["name"], bytes: row["size"], unit: unit)
    }
  }

  /// Damaged members stay damaged: eviction must not turn them into what is bought again by itself.
  private static func drop(
    _ db: Database, _ items: [Item], of task: Int64, evenPinned: Bool, ages: EvictionAges?
  ) throws -> Drop {
    // A download may have crashed and left its lock since the row was read.
    guard let row = try TaskRow.find(db, id: task), row.arriving == nil else { return .busy }
    // In the same transaction: whoever pins afterwards finds it evicted, whoever pinned before keeps it.
    if row.isPinned, !evenPinned { return .pinned }
    for item in items {
      if item.table == "object" {
        try db.execute(
          sql: """
            UPDATE member SET state = CASE state WHEN 'stored' THEN 'evicted' ELSE state END, object = NULL
            WHERE object = ?
            """, arguments: [item.id])
      }
      try db.execute(sql: "DELETE FROM \(item.table) WHERE id = ?", arguments: [item.id])
    }
    if items.contains(where: { $0.unit == .stream(task: task) }) {
      try db.execute(sql: "UPDATE task SET uses = 0 WHERE id = ?", arguments: [task])
    }
    if let ages {
      try db.execute(
        sql: "UPDATE held SET free_age = max(free_age, ?), billed_age = max(billed_age, ?)",
        arguments: [ages.free, ages.billed])
    }
    try db.execute(sql: "UPDATE task SET unswept = 1 WHERE id = ?", arguments: [task])
    return .dropped(
      names: items.map(\.name), bytes: items.reduce(ByteCount.zero) { $0 + ByteCount($1.bytes) })
  }
}
