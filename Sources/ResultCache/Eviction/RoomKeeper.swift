import GRDB
import Glibc
import Tasks

/// Keeps the cache within its limits: asks the plan what must go, and lets it go. Every method blocks.
///
/// Room for a download is only planned when it begins, and taken task by task as bytes arrive: an expected size is often an
/// assumption, and what costs money must not go for bytes that never come.
struct RoomKeeper: Sendable {
  let core: CacheCore

  /// Notes in the index what a download is expected to bring, if there can be room for it.
  /// - Parameter bytes: what it is expected to bring; nil where nobody can say.
  /// - Throws: `.noSpace` when it can't fit, whatever is evicted.
  func promise(_ task: Int64, expecting bytes: Int64?) throws(CacheFailure) {
    var hasRecovered = false
    while true {
      let free = try core.freeSpace()
      // Where nothing is known at least one byte must fit.
      let expected = bytes ?? 1
      let (plan, need) = try core.index.writeBlocking { db in
        let need = try Room.measure(db, without: task, free: free).need(expecting: expected, limits: core.limits)
        let plan = EvictionPlan(
          need.isMet ? [] : try candidates(db, .download(task: task, written: 0), inUse: []), need: need)
        if plan.suffices {
          try db.execute(
            sql: "UPDATE task SET promised = ? WHERE id = ?", arguments: [bytes ?? 0, task])
        }
        return (plan, need)
      }
      if plan.suffices { return }
      if !hasRecovered, try recoverTheDead() {
        hasRecovered = true
        continue
      }
      throw noSpace(for: expected, need)
    }
  }

  /// Lets somebody write on, evicting what must go.
  /// - Parameters:
  ///   - least: bytes that it must be able to write now.
  ///   - best: bytes that it would like to be able to write before it asks again.
  /// - Returns: how many more bytes it may write.
  func grant(_ asker: RoomAsker, atLeast least: Int64, atBest best: Int64) throws(CacheFailure) -> Int64 {
    var inUse: Set<EvictionUnit> = []
    var busy: Set<Int64> = []
    var hasTriedAgain = false
    while true {
      let free = try core.freeSpace()
      let step = try core.index.writeBlocking { db in
        try nextStep(db, asker, least: least, best: best, free: free, inUse: inUse, busy: busy)
      }
      switch step {
      case .granted(let bytes): return bytes
      case .evict(let victims):
        switch try Evictor(core: core).evict(victims) {
        case .evicted: break
        case .inUse(let units): inUse.formUnion(units)
        // Pinned a moment ago: it is no candidate when they are asked for again.
        case .busy, .pinned: busy.formUnion(victims.map(\.task))
        }
      case .full(let need):
        guard !hasTriedAgain else { throw noSpace(for: least, need) }
        hasTriedAgain = true
        let hasRecovered = try recoverTheDead()
        guard hasRecovered || !busy.isEmpty else { throw noSpace(for: least, need) }
        // Who looks after a crashed task or evicts one holds its lock for milliseconds only.
        usleep(50_000)
        busy = []
      }
    }
  }

  private enum Step {
    case granted(Int64)
    /// All of one task.
    case evict([EvictionPlan.Candidate])
    case full(EvictionPlan.Need)
  }

  private func nextStep(
    _ db: Database, _ asker: RoomAsker, least: Int64, best: Int64, free: Int64, inUse: Set<EvictionUnit>,
    busy: Set<Int64>
  ) throws -> Step {
    let room = try Room.measure(db, without: asker.task, free: free)
    let limits = core.limits
    let need = room.need(writing: least, afterWriting: asker.written, limits: limits)
    guard need.isMet else {
      let all = try candidates(db, asker, inUse: inUse)
        .filter { !busy.contains($0.task) && (asker.isWorthMoney || !$0.isBilled) }
      let victims = EvictionPlan(all, need: need, slack: limits.evictionSlack).victims
      guard let first = victims.first else { return .full(need) }
      return .evict(victims.filter { $0.task == first.task })
    }
    // A large step saves questions; nothing is evicted for it.
    let spare = max(0, min(-need.overSize, -need.underFree, best - least))
    try note(db, asker, granted: least + spare)
    return .granted(least + spare)
  }

  private func note(_ db: Database, _ asker: RoomAsker, granted: Int64) throws {
    switch asker {
    case .download(let task, let written):
      try db.run("UPDATE task SET granted = ? WHERE id = ?", [written + granted, task])
    case .object(let id, let isNew):
      // One that was evicted while it is open has no row any more, and nothing to be noted in.
      try db.run(
        "UPDATE object SET size = size + ?, claimants = claimants + ? WHERE id = ? AND partial",
        [granted, isNew ? 1 : 0, id])
    case .points(let id):
      try db.execute(sql: "UPDATE points SET size = size + ? WHERE id = ?", arguments: [granted, id])
    }
  }

  private func candidates(
    _ db: Database, _ asker: RoomAsker, inUse: Set<EvictionUnit>
  ) throws -> [EvictionPlan.Candidate] {
    try EvictionCandidates(db: db, prices: core.prices, asker: asker, inUse: inUse).all()
  }

  /// When the disk is full although the limits allow more: drops the next thing that can go.
  /// - Returns: false when there is none.
  func dropOne(for asker: RoomAsker) throws(CacheFailure) -> Bool {
    var skipped: Set<EvictionUnit> = []
    while true {
      let all = try core.index.readBlocking { db in
        try candidates(db, asker, inUse: []).filter { !skipped.contains($0.unit) }
      }
      let plan = EvictionPlan(
        all, need: EvictionPlan.Need(overSize: 0, underFree: 1), slack: core.limits.evictionSlack)
      guard let first = plan.victims.first else { return false }
      let victims = plan.victims.filter { $0.task == first.task }
      // What is being read would free nothing on the disk.
      if case .evicted = try Evictor(core: core).evict(victims) { return true }
      skipped.formUnion(victims.map(\.unit))
    }
  }

  /// Frees what downloads of dead processes hold. True if there was any.
  private func recoverTheDead() throws(CacheFailure) -> Bool {
    let settled = try Recovery(core: core).settleAll()
    return try PartialRecount(core: core).run(.claimed) > 0 || settled > 0
  }

  private func noSpace(for bytes: Int64, _ need: EvictionPlan.Need) -> CacheFailure {
    let wanted = ByteCount(bytes).formatted
    if need.overSize > 0 {
      return CacheFailure(
        .noSpace,
        "\(wanted) more don't fit: \(ByteCount(need.overSize).formatted) would be above cache.max_size "
          + "(\(core.limits.maxSize.formatted)), and nothing that may be evicted makes enough room")
    }
    return CacheFailure(
      .noSpace,
      "\(wanted) more don't fit: the disk would be \(ByteCount(need.underFree).formatted) short of cache.min_free "
        + "(\(core.limits.minFree.formatted)), and nothing that may be evicted makes enough room")
  }
}
