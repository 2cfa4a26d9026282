/// What a member that arrives in parts remembers, and who waits for what. Everything but the continuations is a plain value.
///
/// A waiter is parked at the first block that it can't go on without, so that a block's arrival costs something only to those
/// who wait for this very block, and a wait for thousands of blocks looks at each of them once.
struct SparseState {
  typealias Continuation = CheckedContinuation<Result<SparseWait, CacheFailure>, Never>

  private struct Waiter {
    let run: Range<Int>
    var block: Int
    let continuation: Continuation
  }

  /// What is to be done once the lock is let go of.
  struct News {
    fileprivate(set) var resumed: [(Continuation, Result<SparseWait, CacheFailure>)] = []
    /// To be compared with their checksums.
    var unchecked: [Range<Int>] = []

    func tell() {
      for (continuation, result) in resumed { continuation.resume(returning: result) }
    }
  }

  var blocks: SparseBlocks
  var room = SparseRoom()
  /// Set once it is an ordinary stored member.
  var isComplete = false
  /// What another process fetches, as far as somebody here wants it.
  var foreign: [Range<Int>] = []
  var isWatching = false
  /// Written or checked here, and not known to be on the disk. Used where content was paid for.
  var unsynchronized: BlockSet
  var unsynchronizedBytes: Int64 = 0
  var isSynchronizing = false
  /// Why bytes that were paid for can't be had.
  var damage: CacheFailure?

  private var waiters: [UInt64: Waiter] = [:]
  private var parked: [Int: Set<UInt64>] = [:]
  private var lastWaiter: UInt64 = 0

  init(blocks: SparseBlocks) {
    self.blocks = blocks
    unsynchronized = BlockSet(count: blocks.count)
  }

  // MARK: - waiters

  mutating func nextWaiter() -> UInt64 {
    lastWaiter += 1
    return lastWaiter
  }

  /// The answer that needs no waiting.
  func answer(_ run: Range<Int>) -> Result<SparseWait, CacheFailure>? {
    switch blocks.standing(of: run) {
    case .ready: .success(.arrived)
    case .missing: .success(.missing)
    case .damaged: .failure(damage ?? CacheFailure(.damaged, "cached bytes are damaged"))
    case .waiting: nil
    }
  }

  /// Lets somebody wait. To be called where ``answer(_:)`` had none.
  mutating func park(_ id: UInt64, _ run: Range<Int>, _ continuation: Continuation) -> News {
    guard case .waiting(let block) = blocks.standing(of: run) else { return News() }
    waiters[id] = Waiter(run: run, block: block, continuation: continuation)
    parked[block, default: []].insert(id)
    var news = News()
    news.unchecked = blocks.unchecked(in: run)
    for part in news.unchecked { blocks.beginCheck(part) }
    return news
  }

  mutating func cancel(_ id: UInt64) -> Continuation? {
    guard let waiter = waiters.removeValue(forKey: id) else { return nil }
    unpark(id, from: waiter.block)
    return waiter.continuation
  }

  /// Whether anybody waits for a block of these runs.
  func isWanted(_ runs: [Range<Int>]) -> Bool {
    waiters.values.contains { waiter in runs.contains { $0.overlaps(waiter.run) } }
  }

  private mutating func unpark(_ id: UInt64, from block: Int) {
    guard var ids = parked.removeValue(forKey: block) else { return }
    ids.remove(id)
    if !ids.isEmpty { parked[block] = ids }
  }

  // MARK: - what wakes them

  mutating func arrive(_ run: Range<Int>) -> News {
    blocks.arrive(run)
    return advance(run)
  }

  /// What another process brought.
  mutating func find(_ runs: [Range<Int>]) -> News {
    var news = News()
    for run in runs {
      blocks.find(run)
      merge(advance(run), into: &news)
    }
    return news
  }

  mutating func pass(_ run: Range<Int>) -> News {
    blocks.pass(run)
    return advance(run)
  }

  /// What won't come: whoever wants any of it is told at once.
  mutating func giveUp(_ runs: [Range<Int>], _ failure: CacheFailure? = nil) -> News {
    for run in runs { blocks.giveUp(run) }
    return fail(runs, failure)
  }

  mutating func lose(_ run: Range<Int>, damage: CacheFailure?) -> News {
    blocks.lose(run, isDamage: damage != nil)
    if let damage { self.damage = damage }
    return fail([run], damage)
  }

  mutating func endCheck(_ runs: [Range<Int>], _ failure: CacheFailure) -> News {
    for run in runs { blocks.endCheck(run) }
    return fail(runs, failure)
  }

  private mutating func fail(_ runs: [Range<Int>], _ failure: CacheFailure?) -> News {
    var news = News()
    for (id, waiter) in waiters where runs.contains(where: { $0.overlaps(waiter.run) }) {
      waiters[id] = nil
      unpark(id, from: waiter.block)
      news.resumed.append((waiter.continuation, failure.map { .failure($0) } ?? .success(.missing)))
    }
    return news
  }

  /// Lets those go on who were parked within a run.
  private mutating func advance(_ run: Range<Int>) -> News {
    var news = News()
    guard !parked.isEmpty else { return news }
    let blocks = parked.count < run.count ? parked.keys.filter(run.contains) : run.filter { parked[$0] != nil }
    for block in blocks {
      for id in parked.removeValue(forKey: block) ?? [] { advance(id, &news) }
    }
    return news
  }

  private mutating func advance(_ id: UInt64, _ news: inout News) {
    guard var waiter = waiters.removeValue(forKey: id) else { return }
    let rest = waiter.block..<waiter.run.upperBound
    guard let block = BlockScan.first(in: rest, { ~blocks.verified.words[$0] }) else {
      news.resumed.append((waiter.continuation, .success(.arrived)))
      return
    }
    if !blocks.inFlight.contains(block), !blocks.checking.contains(block) {
      guard blocks.present.contains(block) else {
        news.resumed.append((waiter.continuation, .success(.missing)))
        return
      }
      let unchecked = blocks.unchecked(in: rest)
      for part in unchecked { blocks.beginCheck(part) }
      news.unchecked += unchecked
    }
    waiter.block = block
    waiters[id] = waiter
    parked[block, default: []].insert(id)
  }

  private func merge(_ more: News, into news: inout News) {
    news.resumed += more.resumed
    news.unchecked += more.unchecked
  }
}

/// The room that this process has for a member: what it was promised and has not used.
struct SparseRoom: Hashable, Sendable {
  /// Bytes that may still be written without asking.
  private(set) var ahead: Int64 = 0
  /// Whether the index counts this process among those that may use less than they were promised.
  var isClaimant = false

  /// How many bytes more are needed for a claim of so many.
  func shortage(for bytes: Int64) -> Int64 { max(0, bytes - ahead) }

  mutating func grant(_ bytes: Int64) { ahead += bytes }
  mutating func use(_ bytes: Int64) { ahead -= bytes }
  /// What was not used, or is used no more.
  mutating func giveBack(_ bytes: Int64) { ahead += bytes }
  mutating func clear() { ahead = 0 }
}
