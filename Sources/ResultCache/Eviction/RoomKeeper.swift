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
        let plan = EvictionPlan(try Room.candidates(db, without: task, inUse: []), need: need)
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

  /// Lets a download write on, evicting what must go.
  /// - Parameters:
  ///   - written: bytes that the download wrote so far.
  ///   - least: bytes that it must be able to write now.
  ///   - best: bytes that it would like to be able to write before it asks again.
  /// - Returns: up to how many bytes in all it may write.
  func grant(_ task: Int64, after written: Int64, atLeast least: Int64, atBest best: Int64) throws(CacheFailure)
    -> Int64
  {
    var inUse: Set<Int64> = []
    var busy: Set<Int64> = []
    var hasTriedAgain = false
    while true {
      let free = try core.freeSpace()
      let step = try core.index.writeBlocking { db in
        try nextStep(db, task, written: written, least: least, best: best, free: free, inUse: inUse, busy: busy)
      }
      switch step {
      case .granted(let bytes): return bytes
      case .evict(let victim, let isKnownInUse):
        switch try Evictor(core: core).evict(victim, evenInUse: isKnownInUse) {
        case .evicted: break
        case .inUse: inUse.insert(victim)
        // Pinned a moment ago: it is no candidate when they are asked for again.
        case .busy, .pinned: busy.insert(victim)
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
    case evict(Int64, isKnownInUse: Bool)
    case full(EvictionPlan.Need)
  }

  private func nextStep(
    _ db: Database, _ task: Int64, written: Int64, least: Int64, best: Int64, free: Int64, inUse: Set<Int64>,
    busy: Set<Int64>
  ) throws -> Step {
    let room = try Room.measure(db, without: task, free: free)
    let limits = core.limits
    let need = room.need(writing: least, afterWriting: written, limits: limits)
    guard need.isMet else {
      let candidates = try Room.candidates(db, without: task, inUse: inUse).filter { !busy.contains($0.id) }
      guard let victim = EvictionPlan(candidates, need: need).victims.first else { return .full(need) }
      return .evict(victim, isKnownInUse: inUse.contains(victim))
    }
    // A large step saves questions; nothing is evicted for it.
    let spare = max(0, min(-need.overSize, -need.underFree, best - least))
    let granted = written + least + spare
    try db.execute(sql: "UPDATE task SET granted = ? WHERE id = ?", arguments: [granted, task])
    return .granted(granted)
  }

  /// When the disk is full although the limits allow more: drops the next task that can go.
  /// - Returns: false when there is none.
  func dropOne(without task: Int64) throws(CacheFailure) -> Bool {
    var skipped: Set<Int64> = []
    while true {
      let candidates = try core.index.readBlocking { db in
        try Room.candidates(db, without: task, inUse: []).filter { !skipped.contains($0.id) }
      }
      let plan = EvictionPlan(candidates, need: EvictionPlan.Need(overSize: 0, underFree: 1))
      guard let victim = plan.victims.first else { return false }
      // What is being read would free nothing on the disk.
      if case .evicted = try Evictor(core: core).evict(victim, evenInUse: false) { return true }
      skipped.insert(victim)
    }
  }

  /// Frees what downloads of dead processes hold. True if there was any.
  private func recoverTheDead() throws(CacheFailure) -> Bool {
    try Recovery(core: core).settleAll() > 0
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
