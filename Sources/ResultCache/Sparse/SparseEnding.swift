import GRDB
import Glibc
import Logging
import Synchronization

/// What is left to do when nobody has a member's object any more: bring what was paid for to the disk, and give back the room
/// that was not used. Blocking.
struct SparseEnding: Sendable {
  let core: CacheCore
  let identity: SparseIdentity
  let files: SparseFiles
  let unsynchronized: BlockSet
  let room: SparseRoom
  /// Whether nothing of it was ever here.
  let isEmpty: Bool

  func perform() {
    if identity.isBilled, !unsynchronized.isEmpty {
      DurableBlocks(core: core, identity: identity, files: files).note(unsynchronized)
    }
    do throws(CacheFailure) {
      if room.isClaimant || room.ahead != 0 {
        try core.index.writeBlocking { db in
          try db.run(
            """
            UPDATE object SET size = max(0, size - ?), claimants = max(0, claimants - ?) WHERE id = ? AND partial
            """, [room.ahead, room.isClaimant ? 1 : 0, identity.object])
        }
      }
      try removeIfUnused()
      try core.recount()
    } catch {
      core.logger.warning(
        "can't give back unused room", metadata: ["object": "\(identity.file)", "reason": "\(error.reason)"])
    }
  }

  /// Who only looked at a member leaves nothing of it.
  private func removeIfUnused() throws(CacheFailure) {
    guard isEmpty, try files.isOnlyReader() else { return }
    let isUnused = try core.index.writeBlocking { db in
      try db.execute(
        sql: "DELETE FROM object WHERE id = ? AND partial AND size = 0 AND claimants = 0", arguments: [identity.object])
      guard db.changesCount > 0 else { return false }
      try db.execute(sql: "UPDATE member SET object = NULL WHERE object = ?", arguments: [identity.object])
      return true
    }
    if isUnused { core.layout.remove([identity.file], of: identity.folder) }
  }
}

/// The endings that are under way, so that an orderly end of the process can wait for them.
///
/// Lock order: a leaf; continuations are resumed outside the lock.
final class SparseEndings: Sendable {
  private struct Content {
    var count = 0
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let content = Mutex(Content())

  func begin(_ work: @escaping @Sendable () -> Void) {
    content.withLock { $0.count += 1 }
    Task {
      try? await OffPool.run { () throws(CacheFailure) in work() }
      end()
    }
  }

  /// Counts work in the background that may be the last to hold an object.
  func during<Value: Sendable>(_ work: @Sendable () async -> Value) async -> Value {
    content.withLock { $0.count += 1 }
    defer { end() }
    return await work()
  }

  private func end() {
    let waiters = content.withLock { content in
      content.count -= 1
      guard content.count == 0 else { return [CheckedContinuation<Void, Never>]() }
      defer { content.waiters = [] }
      return content.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  func wait() async {
    await withCheckedContinuation { continuation in
      let isDone = content.withLock { content in
        if content.count > 0 { content.waiters.append(continuation) }
        return content.count == 0
      }
      if isDone { continuation.resume() }
    }
  }
}
