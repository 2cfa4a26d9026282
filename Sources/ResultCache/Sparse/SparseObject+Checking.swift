import GRDB
import Logging

// Blocks of an earlier run, or of another process, are compared with their checksums before they are served.

extension SparseObject {
  /// So many blocks at a time, 1 MiB: their waiters go on before the rest is read.
  private static let atOnce = 64

  /// Compares blocks with their checksums, off the pool, and tells who waits.
  func check(_ runs: [Range<Int>]) {
    // Whoever waits holds the object; without anybody there is nothing to check.
    Task { [weak self, core] in await core.endings.during { [weak self] in await self?.checkInTurn(runs) } }
  }

  private func checkInTurn(_ runs: [Range<Int>]) async {
    var rest = runs
    do throws(CacheFailure) {
      while let run = rest.first {
        let part = run.prefix(Self.atOnce)
        _ = try await OffPool.run { () throws(CacheFailure) in try self.checkNow(part) }
        rest[0] = part.upperBound..<run.upperBound
        if rest[0].isEmpty { rest.removeFirst() }
      }
    } catch {
      let left = rest
      follow(state.withLock { $0.endCheck(left, error) })
    }
  }

  /// Blocking.
  /// - Returns: the blocks that were not right.
  @discardableResult
  func checkNow(_ run: Range<Int>) throws(CacheFailure) -> [Int] {
    guard let files else { return [] }
    let verdict = try BlockCheck(core: core, files: files).verdict(on: run)
    let news = state.withLock { state in
      if identity.isBilled {
        for run in verdict.written.runs { state.unsynchronized.insert(run) }
      }
      return verdict.good.runs.map { state.pass($0) }
    }
    news.forEach(follow)
    for block in verdict.bad { try lose(block, of: files) }
    return verdict.bad
  }

  /// A block whose bytes are not what its entry says.
  private func lose(_ block: Int, of files: SparseFiles) throws(CacheFailure) {
    var isDamage = false
    var isRight = false
    var isDropped = false
    try files.map.change(block..<block + 1) { _, reading throws(CacheFailure) in
      // Another process may have fetched it anew a moment ago.
      isRight = try BlockCheck(core: core, files: files).isRight(block, reading)
      if isRight { return nil }
      switch reading {
      case .absent: return nil
      case .garbage: isDamage = identity.isBilled
      case .entry(let entry): isDamage = identity.isBilled && entry.state != .written
      }
      isDropped = !isDamage
      return .write(isDamage ? MapEntry(checksum: 0, state: .damaged) : nil)
    }
    if isRight { return follow(state.withLock { $0.pass(block..<block + 1) }) }
    var damage: CacheFailure?
    if isDamage {
      let bytes = BlockMath.bytes(of: block..<block + 1, in: size)
      let reason =
        "the cached copy of \(identity.name) is damaged between bytes \(bytes.lowerBound) and \(bytes.upperBound)"
      damage = CacheFailure(.damaged, reason)
      try noteDamage(reason)
    } else {
      core.logger.notice(
        "a part of a cached file is not what was stored; it is fetched again", metadata: ["object": "\(identity.file)"])
    }
    // Where another process dropped it, that one has noted it.
    if isDropped { try noteLoss(of: BlockMath.length(of: block..<block + 1, in: size)) }
    follow(state.withLock { $0.lose(block..<block + 1, damage: damage) })
  }

  /// At once, not when the object is let go of: nothing else would tell a later run that less is used than is written down.
  func noteLoss(of bytes: Int64) throws(CacheFailure) {
    try core.index.writeBlocking { db in
      try db.execute(
        sql: "UPDATE object SET size = max(0, size - ?) WHERE id = ? AND partial", arguments: [bytes, identity.object])
    }
  }

  func noteDamage(_ reason: String) throws(CacheFailure) {
    core.logger.error(
      "a cached file is damaged", metadata: ["object": "\(identity.file)", "reason": "\(reason)"])
    try core.index.writeBlocking { db in
      try db.execute(
        sql: "UPDATE member SET state = 'damaged', reason = ? WHERE task = ? AND object = ? AND state <> 'damaged'",
        arguments: [reason, identity.task, identity.object])
    }
  }
}

/// Reads blocks and compares them with the map. Blocking.
struct BlockCheck: Sendable {
  let core: CacheCore
  let files: SparseFiles

  struct Verdict {
    var good = BlockRuns()
    /// Those of them that are not known to be on the disk.
    var written = BlockRuns()
    var bad: [Int] = []
  }

  func verdict(on run: Range<Int>) throws(CacheFailure) -> Verdict {
    let readings = try files.map.readings(of: run)
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: run.count * SparseObject.blockSize, alignment: 16)
    defer { buffer.deallocate() }
    let bytes = try files.read(BlockMath.bytes(of: run, in: files.size), into: buffer)
    var verdict = Verdict()
    for (block, reading) in zip(run, readings) {
      let start = (block - run.lowerBound) * SparseObject.blockSize
      let end = start + Int(BlockMath.length(of: block..<block + 1, in: files.size))
      guard end <= bytes.count, matches(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), reading) else {
        verdict.bad.append(block)
        continue
      }
      verdict.good.append(block)
      if case .entry(let entry) = reading, entry.state == .written { verdict.written.append(block) }
    }
    return verdict
  }

  func isRight(_ block: Int, _ reading: MapEntry.Reading) throws(CacheFailure) -> Bool {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: SparseObject.blockSize, alignment: 16)
    defer { buffer.deallocate() }
    let range = BlockMath.bytes(of: block..<block + 1, in: files.size)
    let bytes = try files.read(range, into: buffer)
    return bytes.count == Int(range.upperBound - range.lowerBound) && matches(bytes, reading)
  }

  private func matches(_ bytes: UnsafeRawBufferPointer, _ reading: MapEntry.Reading) -> Bool {
    guard case .entry(let entry) = reading, entry.state != .damaged else { return false }
    return core.checksum(bytes, 0) == entry.checksum
  }
}
