import Dispatch
import GRDB
import Glibc
import Logging
import Synchronization

/// Checks an object's bytes against their checksums. Blocking: it reads the whole object.
struct Verification: Sendable {
  /// Large enough for full disk speed, small enough for many at once.
  private static let bufferSize = 256 << 10

  let core: CacheCore
  let object: ObjectRow
  let folder: String
  /// How the member is called, for people.
  let name: String
  /// Set where somebody asked for a check: then the bytes are read whatever the stamp says.
  var thorough: Thorough?

  /// What a check on demand does beyond the one that an open needs.
  struct Thorough: Sendable {
    /// Of the member as a whole: the function, and what it must give.
    let content: (checksum: Checksum, expected: UInt32)?
    /// Called with the number of bytes after each that were read.
    let advance: @Sendable (Int) -> Void
  }

  /// Notes in the index that the object is right, or that it is damaged.
  /// - Throws: `.damaged` when the bytes are not what was stored, `.io` when nobody can say.
  func perform() throws(CacheFailure) {
    let file: Descriptor
    do throws(CacheFailure) {
      file = try Descriptor.open(core.layout.object(object.name, of: folder), O_RDONLY)
    } catch {
      guard error.kind == .notFound else { throw error }
      throw try noteMissing()
    }
    let before = try file.stamp()
    // Another opener's verification may have ended since the caller looked.
    let now = try core.index.readBlocking { try ObjectRow.find($0, id: object.id) }
    let isTrusted = now.map { $0.isDurable && $0.stamp == before } ?? false
    if isTrusted, thorough == nil { return }
    // What the memory still holds says nothing about the disk. A hint: pages in use stay.
    if thorough != nil { _ = posix_fadvise(file.number, 0, 0, POSIX_FADV_DONTNEED) }
    if let damage = try findDamage(file, size: before.size) { throw try noteDamage(damage) }
    if isTrusted { return }
    // It may have been read from the page cache only.
    try file.synchronize()
    let after = try file.stamp()
    guard before == after else { throw try noteChange() }
    try core.index.writeBlocking { try ObjectRow.makeDurable($0, id: object.id, stamp: after) }
    core.logger.debug("verified a cached file", metadata: ["object": "\(object.name)", "bytes": "\(object.size)"])
  }

  private func findDamage(_ file: Descriptor, size: Int64) throws(CacheFailure) -> String? {
    guard size == object.size else { return "has \(size) bytes instead of \(object.size)" }
    let chunkSize = Int(object.chunkSize)
    guard chunkSize > 0, let expected = ChecksumBlob.decode(object.checksums) else { return "has no valid checksums" }
    var sums = ChunkChecksums(chunkSize: chunkSize, checksum: core.checksum)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 16)
    defer { buffer.deallocate() }
    var offset: Int64 = 0
    var whole: UInt32 = 0
    while offset < size {
      let count = pread(file.number, buffer.baseAddress, buffer.count, off_t(offset))
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw CacheFailure(errno: errno, "can't read the cached copy of \(name)") }
      if count == 0 { return "ends at byte \(offset)" }
      let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
      sums.append(bytes)
      if let content = thorough?.content { whole = content.checksum(bytes, whole) }
      offset += Int64(count)
      thorough?.advance(count)
    }
    let found = sums.all
    guard found.count == expected.count else { return "has \(found.count) chunks instead of \(expected.count)" }
    guard let bad = found.indices.first(where: { found[$0] != expected[$0] }) else {
      guard let content = thorough?.content, whole != content.expected else { return nil }
      return "does not match the checksum that it came with"
    }
    return "is damaged between bytes \(bad * chunkSize) and \(min((bad + 1) * chunkSize, Int(size)))"
  }

  private func noteDamage(_ what: String) throws(CacheFailure) -> CacheFailure {
    let reason = "the cached copy of \(name) \(what)"
    try core.index.writeBlocking { db in
      try db.execute(
        sql: "UPDATE member SET state = 'damaged', reason = ? WHERE task = ? AND object = ?",
        arguments: [reason, object.task, object.id])
    }
    core.logger.error("a cached file is damaged", metadata: ["object": "\(object.name)", "reason": "\(reason)"])
    return CacheFailure(.damaged, reason)
  }

  /// Removing a file changes its stamp, too.
  private func noteChange() throws(CacheFailure) -> CacheFailure {
    let isStillThere = try core.index.readBlocking { try ObjectRow.find($0, id: object.id) } != nil
    return isStillThere
      ? CacheFailure(.io, "the cached copy of \(name) is being changed")
      : CacheFailure(.notFound, "\(name) is no longer in the cache")
  }

  /// A file that is gone was evicted by somebody else, or lost.
  private func noteMissing() throws(CacheFailure) -> CacheFailure {
    let isStillThere = try core.index.readBlocking { try ObjectRow.find($0, id: object.id) } != nil
    guard isStillThere else { return CacheFailure(.notFound, "\(name) is no longer in the cache") }
    return try noteDamage("has disappeared from the cache's directory")
  }
}

/// Lets any number of openers of one object wait for a single verification.
///
/// Lock order: a leaf; continuations are resumed outside the lock.
final class Verifier: Sendable {
  private typealias Waiter = CheckedContinuation<Result<Void, CacheFailure>, Never>

  private struct Content {
    var flights: [Int64: [UInt64: Waiter]] = [:]
    var lastWaiter: UInt64 = 0
  }

  private let content = Mutex(Content())
  /// Reading at full disk speed is enough once; with a second lane small files need not wait behind a large one.
  private let lanes = [DispatchQueue(label: "tollfs.cache.verify.0"), DispatchQueue(label: "tollfs.cache.verify.1")]
  /// Objects above this size share one lane, in bytes.
  private static let largeSize: Int64 = 64 << 20

  /// Waits for the verification of an object, starting it if nobody has.
  /// - Throws: what it found, or `.cancelled` as soon as the waiting task is cancelled; the verification itself goes on.
  func verify(_ verification: Verification) async throws(CacheFailure) {
    let key = verification.object.id
    let id = content.withLock { content in
      content.lastWaiter += 1
      return content.lastWaiter
    }
    let result: Result<Void, CacheFailure> = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let (isCancelled, isFirst) = content.withLock { content in
          if Task.isCancelled { return (true, false) }
          let isFirst = content.flights[key] == nil
          content.flights[key, default: [:]][id] = continuation
          return (false, isFirst)
        }
        if isCancelled { continuation.resume(returning: .failure(.cancelled)) }
        if isFirst { start(verification) }
      }
    } onCancel: {
      let waiter = content.withLock { $0.flights[key]?.removeValue(forKey: id) }
      waiter?.resume(returning: .failure(.cancelled))
    }
    try result.get()
  }

  private func start(_ verification: Verification) {
    let lane = lanes[verification.object.size > Self.largeSize ? 1 : 0]
    lane.async {
      let result = Result { () throws(CacheFailure) in try verification.perform() }
      let waiters = self.content.withLock { $0.flights.removeValue(forKey: verification.object.id) ?? [:] }
      for waiter in waiters.values { waiter.resume(returning: result) }
    }
  }
}
