import GRDB
import Tasks

/// How much of the cache is in use and promised, as the index says.
struct Room: Sendable {
  /// Bytes of what is published, all tasks; of members that arrive in parts what they may use.
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

  /// What must go before so many more bytes may be written.
  /// - Parameter written: what the asker has written that is not published.
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
    let all = try db.row(
      """
      SELECT bytes - (
        SELECT coalesce(sum(object.size), 0) FROM task
        JOIN object ON object.task = task.id AND object.generation = task.arriving WHERE task.arriving IS NOT NULL)
        AS bytes
      FROM held
      """)
    let others = try db.row(
      """
      SELECT coalesce(sum(granted), 0) AS granted, coalesce(sum(max(granted, promised)), 0) AS promised
      FROM task WHERE arriving IS NOT NULL AND id IS NOT ?
      """, [task])
    return Room(
      published: all?["bytes"] ?? 0, othersGranted: others?["granted"] ?? 0, othersPromised: others?["promised"] ?? 0,
      free: free
    )
  }

  static func usage(_ db: Database) throws -> CacheUsage {
    let row = try db.row("SELECT bytes, objects FROM held")
    return CacheUsage(bytes: ByteCount(row?["bytes"] ?? Int64(0)), objects: row?["objects"] ?? 0)
  }
}
