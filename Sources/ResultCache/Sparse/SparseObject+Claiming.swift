import Glibc
import Tasks

extension SparseObject {
  /// Takes the missing parts of `range` for the caller to fetch, so that nobody else does: neither in this process nor in
  /// another. Room is made for them first.
  ///
  /// What others are fetching is left to them, and ``wait(for:)`` waits for it, also where it is another process: look into
  /// its map from time to time, and `.missing` when it gave up.
  /// - Throws: `.noSpace`, `.io`.
  public func claim(_ range: Range<UInt64>) async throws(CacheFailure) -> [SparseClaim] {
    let run = BlockMath.blocks(of: range, in: size)
    let missing = state.withLock { state in
      let missing = state.blocks.missing(in: run)
      for part in missing { state.blocks.begin(part) }
      return missing
    }
    guard !missing.isEmpty, let files else { return [] }
    do throws(CacheFailure) {
      let taken = try await OffPool.run { () throws(CacheFailure) in try self.take(missing, of: files) }
      follow(state.withLock { $0.find(taken.found) })
      if !taken.foreign.isEmpty { watch(taken.foreign) }
      return taken.mine.map { SparseClaim($0, of: self, files: files) }
    } catch {
      // Whoever waits for these claims them itself, and then knows what became of it.
      follow(state.withLock { $0.giveUp(missing) })
      throw error
    }
  }

  private struct Taken: Sendable {
    var mine: [Range<Int>] = []
    /// Another process has brought it meanwhile.
    var found: [Range<Int>] = []
    /// Another process is bringing it.
    var foreign: [Range<Int>] = []
  }

  /// Blocking.
  private func take(_ missing: [Range<Int>], of files: SparseFiles) throws(CacheFailure) -> Taken {
    var taken = Taken()
    do throws(CacheFailure) {
      for run in missing {
        let locked = try files.map.take(run)
        taken.foreign += Self.gaps(in: run, between: locked)
        for part in locked {
          let (here, absent) = try split(part, of: files)
          for part in here { files.map.release(part) }
          taken.found += here
          taken.mine += absent
        }
      }
      try makeRoom(for: taken.mine.reduce(0) { $0 + BlockMath.length(of: $1, in: size) })
      return taken
    } catch {
      for run in missing { files.map.release(run) }
      throw error
    }
  }

  private static func gaps(in run: Range<Int>, between parts: [Range<Int>]) -> [Range<Int>] {
    var gaps: [Range<Int>] = []
    var start = run.lowerBound
    for part in parts {
      if start < part.lowerBound { gaps.append(start..<part.lowerBound) }
      start = part.upperBound
    }
    if start < run.upperBound { gaps.append(start..<run.upperBound) }
    return gaps
  }

  /// What the map says is here, right or not, and what is not.
  private func split(_ run: Range<Int>, of files: SparseFiles) throws(CacheFailure) -> (
    here: [Range<Int>], absent: [Range<Int>]
  ) {
    let readings = try files.map.readings(of: run)
    var here = BlockRuns()
    var absent = BlockRuns()
    for (block, reading) in zip(run, readings) {
      if reading == .absent { absent.append(block) } else { here.append(block) }
    }
    return (here.runs, absent.runs)
  }

  /// Asks for room in steps, so that the index is not asked at every claim.
  private func makeRoom(for bytes: Int64) throws(CacheFailure) {
    guard bytes > 0 else { return }
    let (shortage, isClaimant, rest) = state.withLock { state in
      (
        state.room.shortage(for: bytes), state.room.isClaimant,
        Int64(size) - BlockMath.length(of: state.blocks.present, in: size)
      )
    }
    if shortage > 0 {
      let step = min(core.limits.largestStep, max(shortage, rest - bytes))
      let granted = try RoomKeeper(core: core).grant(
        .object(identity.object, isNew: !isClaimant), atLeast: shortage, atBest: step)
      state.withLock { state in
        state.room.grant(granted)
        state.room.isClaimant = true
      }
    }
    state.withLock { $0.room.use(bytes) }
  }

  // MARK: - what another process fetches

  private static let shortestPause = Duration.milliseconds(10)
  private static let longestPause = Duration.milliseconds(200)

  /// Looks from time to time whether another process has brought what is wanted here, or given up.
  private func watch(_ runs: [Range<Int>]) {
    let isFirst = state.withLock { state in
      state.foreign += runs
      defer { state.isWatching = true }
      return !state.isWatching
    }
    guard isFirst else { return }
    Task { [weak self, core] in
      var pause = Self.shortestPause
      // Who claims waits next: a look before that would find that nobody wants it.
      repeat {
        try? await Task.sleep(for: pause)
        pause = min(pause * 2, Self.longestPause)
      } while await core.endings.during { [weak self] in await self?.look() == true }
    }
  }

  /// - Returns: whether there is still something to look for.
  private func look() async -> Bool {
    let runs = state.withLock { $0.foreign }
    let seen = try? await OffPool.run { () throws(CacheFailure) in try self.see(runs) }
    // Where nobody can say, everybody finds out by themselves.
    let (here, gone) = seen ?? ([], runs)
    let (isGoingOn, news) = state.withLock { state in
      var left = BlockSet(count: state.blocks.count)
      for run in state.foreign { left.insert(run) }
      for run in here + gone { left.remove(run) }
      state.foreign = left.runs
      var news = [state.find(here), state.giveUp(gone)]
      // What nobody waits for any more is forgotten: who wants it later claims it.
      if !state.isWanted(state.foreign) {
        news.append(state.giveUp(state.foreign))
        state.foreign = []
      }
      state.isWatching = !state.foreign.isEmpty
      return (state.isWatching, news)
    }
    news.forEach(follow)
    return isGoingOn
  }

  /// Blocking. The locks are looked at first: what is neither held nor in the map afterwards was given up.
  private func see(_ runs: [Range<Int>]) throws(CacheFailure) -> (here: [Range<Int>], gone: [Range<Int>]) {
    guard let files else { return ([], runs) }
    var (here, gone): ([Range<Int>], [Range<Int>]) = ([], [])
    for run in runs {
      var held = BlockSet(count: run.upperBound)
      for part in try files.map.held(in: run) { held.insert(part) }
      let (found, absent) = try split(run, of: files)
      here += found
      for part in absent { gone += BlockScan.runs(in: part) { ~held.words[$0] } }
    }
    return (here, gone)
  }
}

/// Blocks in order, put together to runs.
struct BlockRuns: Hashable, Sendable {
  private(set) var runs: [Range<Int>] = []

  mutating func append(_ block: Int) {
    if let last = runs.last, last.upperBound == block {
      runs[runs.count - 1] = last.lowerBound..<block + 1
    } else {
      runs.append(block..<block + 1)
    }
  }
}
