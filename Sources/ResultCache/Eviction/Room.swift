import GRDB
import Tasks

/// How much of the cache is in use and promised, as the index says.
struct Room: Sendable {
  /// Bytes of what is published, all tasks.
  var published: Int64
  /// Bytes that the running downloads of others may have written by now.
  var othersGranted: Int64
  /// Bytes that the running downloads of others are expected to bring in all.
  var othersPromised: Int64
  /// Free bytes of the disk.
  var free: Int64

  /// Kept free whatever `min_free` says: the index must be able to write down an eviction, which is what a full disk needs most.
  private static let indexReserve: Int64 = 1 << 20

  private func minFree(_ limits: CacheLimits) -> Int64 { max(limits.minFree.bytes, Self.indexReserve) }

  /// What must go before a download of so many bytes can begin.
  func need(expecting bytes: Int64, limits: CacheLimits) -> EvictionPlan.Need {
    EvictionPlan.Need(
      overSize: sum(published, othersPromised, bytes) - limits.maxSize.bytes,
      underFree: sum(minFree(limits), bytes, max(0, othersPromised - othersGranted)) - free)
  }

  /// What must go before a running download may write so many more bytes.
  func need(writing bytes: Int64, afterWriting written: Int64, limits: CacheLimits) -> EvictionPlan.Need {
    EvictionPlan.Need(
      overSize: sum(published, othersGranted, written, bytes) - limits.maxSize.bytes,
      underFree: sum(minFree(limits), bytes) - free)
  }

  /// An assumed size may be absurd: no sum may trap.
  private func sum(_ terms: Int64...) -> Int64 {
    terms.reduce(0) { partial, term in
      let (sum, overflow) = partial.addingReportingOverflow(term)
      return overflow ? .max / 2 : min(sum, .max / 2)
    }
  }

  static func measure(_ db: Database, without task: Int64?, free: Int64) throws -> Room {
    let published =
      try Int64.fetchOne(
        db,
        sql: """
          SELECT coalesce(sum(object.size), 0) FROM object JOIN task ON task.id = object.task
          WHERE object.generation IS NOT task.arriving
          """) ?? 0
    let others = try Row.fetchOne(
      db,
      sql: """
        SELECT coalesce(sum(granted), 0) AS granted, coalesce(sum(max(granted, promised)), 0) AS promised
        FROM task WHERE arriving IS NOT NULL AND id IS NOT ?
        """, arguments: [task])
    return Room(
      published: published, othersGranted: others?["granted"] ?? 0, othersPromised: others?["promised"] ?? 0, free: free
    )
  }

  /// Tasks whose content could go. Those that are being downloaded are not among them.
  static func candidates(_ db: Database, without task: Int64?, inUse: Set<Int64>) throws -> [EvictionPlan.Candidate] {
    let rows = try Row.fetchAll(
      db,
      sql: """
        SELECT task.id AS id, task.billed AS billed, pinned, task.last_used AS last_used, sum(object.size) AS bytes
        FROM task JOIN object ON object.task = task.id
        WHERE task.arriving IS NULL AND task.id IS NOT ? GROUP BY task.id
        """, arguments: [task])
    return rows.map { row in
      EvictionPlan.Candidate(
        id: row["id"], bytes: row["bytes"], isBilled: row["billed"], isPinned: row["pinned"],
        isInUse: inUse.contains(row["id"]), lastUsed: row["last_used"])
    }
  }

  static func usage(_ db: Database) throws -> CacheUsage {
    let row = try Row.fetchOne(db, sql: "SELECT coalesce(sum(size), 0) AS bytes, count(*) AS objects FROM object")
    return CacheUsage(bytes: ByteCount(row?["bytes"] ?? Int64(0)), objects: row?["objects"] ?? 0)
  }
}
