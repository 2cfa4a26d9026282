import Logging

// Content that was paid for is brought to the disk while it arrives, so that damage can be told from what a power loss took.
// What is free is left to the kernel: where it is lost it is fetched again.

extension SparseState {
  /// The most that a power loss can take of what was paid for.
  private static let synchronizeEvery: Int64 = 64 << 20

  var isSynchronizationDue: Bool { !isSynchronizing && unsynchronizedBytes >= Self.synchronizeEvery }

  /// What is to be brought to the disk, handed out once.
  mutating func takeUnsynchronized() -> BlockSet {
    let set = unsynchronized
    unsynchronized = BlockSet(count: blocks.count)
    unsynchronizedBytes = 0
    return set
  }
}

extension SparseObject {
  /// In the background: whoever appends goes on.
  func synchronize() {
    let set = state.withLock { state -> BlockSet? in
      guard state.isSynchronizationDue else { return nil }
      state.isSynchronizing = true
      return state.takeUnsynchronized()
    }
    guard let set, let files else { return }
    let (core, identity) = (core, identity)
    Task { [weak self] in
      await core.endings.during { [weak self] in
        try? await OffPool.run { () throws(CacheFailure) in
          DurableBlocks(core: core, identity: identity, files: files).note(set)
        }
        self?.endSynchronizing()
      }
    }
  }

  private func endSynchronizing() {
    state.withLock { $0.isSynchronizing = false }
    synchronize()
  }
}

/// Brings blocks to the disk and says so in the map. Blocking.
struct DurableBlocks: Sendable {
  let core: CacheCore
  let identity: SparseIdentity
  let files: SparseFiles

  /// Not worth a failure: what is not known to be on the disk is only less well protected.
  func note(_ set: BlockSet) {
    do throws(CacheFailure) {
      try files.synchronize()
      for run in set.runs {
        try files.map.change(run) { _, reading throws(CacheFailure) in
          guard case .entry(let entry) = reading, entry.state == .written else { return nil }
          return .write(MapEntry(checksum: entry.checksum, state: .durable))
        }
      }
      try files.map.synchronize()
      try core.index.writeBlocking { db in
        try db.execute(
          sql: "UPDATE object SET durable = 1 WHERE id = ? AND partial AND NOT durable", arguments: [identity.object])
      }
    } catch {
      core.logger.warning(
        "can't bring a part of a file to the disk",
        metadata: ["object": "\(identity.file)", "reason": "\(error.reason)"])
    }
  }
}
