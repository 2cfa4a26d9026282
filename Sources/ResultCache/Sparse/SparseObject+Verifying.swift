import Glibc
import Tasks

// Checks on demand, and what follows from them. Blocking.

extension SparseObject {
  /// What a check of everything that is here found.
  struct Findings: Sendable {
    /// Bytes that are right.
    var right: Int64 = 0
    /// Bytes that were dropped, to be fetched again.
    var dropped: Int64 = 0
    /// Set where something that was paid for is wrong.
    var damage: CacheFailure?
  }

  /// Compares every block that is here with its checksum, also those that were compared before.
  /// - Parameter advance: called with the number of bytes after each mebibyte.
  func verifyAll(_ advance: (Int) -> Void) throws(CacheFailure) -> Findings {
    guard let files else { return Findings() }
    // What the memory still holds says nothing about the disk.
    files.forgetPages()
    let present = state.withLock { $0.blocks.present }
    var findings = Findings()
    for run in present.runs {
      for start in stride(from: run.lowerBound, to: run.upperBound, by: 64) {
        let part = start..<min(start + 64, run.upperBound)
        let bad = try checkNow(part)
        let lost = bad.reduce(Int64(0)) { $0 + BlockMath.length(of: $1..<$1 + 1, in: size) }
        let length = BlockMath.length(of: part, in: size)
        findings.right += length - lost
        findings.dropped += lost
        advance(Int(length))
      }
    }
    findings.damage = state.withLock { $0.damage }
    return findings
  }

  /// Lets blocks that were paid for and are wrong be fetched again.
  func forgetDamage() throws(CacheFailure) {
    guard let files else { return }
    var forgotten = BlockSet(count: files.map.count)
    try files.map.change(0..<files.map.count) { block, reading throws(CacheFailure) in
      switch reading {
      case .absent: return nil
      case .entry(let entry) where entry.state != .damaged: return nil
      case .entry, .garbage:
        forgotten.insert(block..<block + 1)
        return .write(nil)
      }
    }
    try noteLoss(of: BlockMath.length(of: forgotten, in: size))
    state.withLock { state in
      state.damage = nil
      for run in state.blocks.damaged.runs { state.blocks.forgetDamage(run) }
    }
  }
}

extension ResultCache {
  /// Lets damaged members of a package be fetched again, at somebody's request: their bytes that are wrong are dropped, and
  /// what else is here of them stays.
  /// - Returns: how many members there were.
  @discardableResult
  public func dropDamaged(of task: TaskPath) async throws(CacheFailure) -> Int {
    let core = core
    let damaged = try await OffPool.run { () throws(CacheFailure) in
      try core.index.writeBlocking(durably: true) { db -> [DamagedMember] in
        guard let row = try TaskRow.find(db, path: task.description), row.state != nil else { return [] }
        return try DamagedMember.forget(db, in: row)
      }
    }
    for member in damaged {
      if let file = member.dropped {
        core.layout.remove([file], of: member.folder)
      } else if member.isPartial {
        let object = try await sparse(member.member, of: task, costs: false)
        try await OffPool.run { () throws(CacheFailure) in try object.forgetDamage() }
      }
    }
    return damaged.count
  }
}
