import Foundation
import GRDB
import Glibc
import Logging
import Tasks

extension SparseObject {
  /// When everything is here: reads it once, and makes it an ordinary stored member, so that ``ResultCache/open(_:of:)``
  /// works, here and in other processes. Harmless when it has succeeded before.
  /// - Parameter contentChecksum: the function of ``CachedMember/crc32``.
  /// - Throws: `.damaged` where the bytes are wrong: what is free to fetch is dropped, what was paid for is marked; `.notFound`
  ///   when it was evicted; `.io` while parts are missing.
  public func complete(contentChecksum: @escaping Checksum) async throws(CacheFailure) {
    if isComplete { return }
    try await OffPool.run { () throws(CacheFailure) in
      let result: Result<Void, CacheFailure> = self.completion.withLock { _ in
        Result { () throws(CacheFailure) in try self.completeNow(contentChecksum) }
      }
      try result.get()
    }
  }

  /// Gives up what is here because whoever decoded it found that it is wrong: what is free to fetch is dropped, what was paid for is
  /// marked, as where ``complete(contentChecksum:)`` finds that. The seek points go with it.
  public func reject(because reason: String) async throws(CacheFailure) {
    try await OffPool.run { () throws(CacheFailure) in
      let result: Result<Void, CacheFailure> = self.completion.withLock { _ in
        Result { () throws(CacheFailure) in
          guard !self.isComplete, let files = self.files else { return }
          _ = try self.rejectContent(files, reason)
        }
      }
      try result.get()
    }
  }

  /// Blocking.
  private func completeNow(_ contentChecksum: Checksum) throws(CacheFailure) {
    guard !isComplete, let files else { return }
    guard state.withLock({ $0.blocks.isAllPresent }) else {
      throw CacheFailure(.io, "parts of \(identity.name) are missing")
    }
    let sums = try readAll(files, contentChecksum)
    if let expected = identity.crc32, sums.content != expected {
      throw try rejectContent(files, "\(identity.name) does not match the checksum that it came with")
    }
    var stamp: ObjectStamp?
    if identity.isBilled {
      try files.synchronize()
      stamp = try files.stamp()
    }
    try publish(sums.chunks, stamp)
    unlink(core.layout.map(identity.file, of: identity.folder))
    files.allowReadAhead()
    state.withLock { state in
      state.isComplete = true
      state.room.clear()
    }
    try? core.recount()
    if stamp == nil, size >= Self.worthSynchronizing { makeDurable(files) }
  }

  /// A smaller one is read again faster than the disk answers.
  private static let worthSynchronizing: UInt64 = 1 << 20

  /// - Throws: `.damaged` when a block is not what was stored.
  private func readAll(_ files: SparseFiles, _ contentChecksum: Checksum) throws(CacheFailure) -> (
    chunks: ChunkChecksums, content: UInt32
  ) {
    let unchecked = state.withLock { $0.blocks.unchecked(in: 0..<$0.blocks.count) }
    for run in unchecked {
      for start in stride(from: run.lowerBound, to: run.upperBound, by: 64) {
        let bad = try checkNow(start..<min(start + 64, run.upperBound))
        if !bad.isEmpty { throw CacheFailure(.damaged, "parts of the cached copy of \(identity.name) are not right") }
      }
    }
    var chunks = ChunkChecksums(checksum: core.checksum)
    var content: UInt32 = 0
    // What a processor's cache keeps between the two checksums.
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
    defer { buffer.deallocate() }
    var offset: UInt64 = 0
    while offset < size {
      let bytes = try files.read(offset..<min(size, offset + UInt64(buffer.count)), into: buffer)
      guard !bytes.isEmpty else {
        throw CacheFailure(.io, "the cached copy of \(identity.name) ends at byte \(offset)")
      }
      chunks.append(bytes)
      if identity.crc32 != nil { content = contentChecksum(bytes, content) }
      offset += UInt64(bytes.count)
    }
    return (chunks, content)
  }

  private func publish(_ chunks: ChunkChecksums, _ stamp: ObjectStamp?) throws(CacheFailure) {
    let isKnown = try core.index.writeBlocking(durably: identity.isBilled) { db in
      guard let row = try ObjectRow.find(db, id: identity.object) else { return false }
      guard row.isPartial else { return true }
      try db.run(
        """
        UPDATE object SET partial = 0, claimants = 0, size = ?, durable = 0, session = ?, chunk_size = ?, checksums = ?
        WHERE id = ?
        """,
        [
          Int64(size), core.session, chunks.chunkSize, Data(ChecksumBlob.encode(chunks.all)), identity.object,
        ])
      if let stamp { try ObjectRow.makeDurable(db, id: identity.object, stamp: stamp) }
      try db.run("UPDATE member SET state = 'stored' WHERE object = ? AND state = 'evicted'", [identity.object])
      return true
    }
    if !isKnown { throw CacheFailure(.notFound, "\(identity.name) was evicted while it arrived") }
  }

  /// Every block is what came, and the whole is not what the archive announced.
  private func rejectContent(_ files: SparseFiles, _ reason: String) throws(CacheFailure) -> CacheFailure {
    let all = 0..<files.map.count
    // Decoding can't go on from what may be wrong itself.
    try seekPoints.removeAll()
    let damage = identity.isBilled ? CacheFailure(.damaged, reason) : nil
    if damage != nil {
      // Nobody knows which block it is: all of them are fetched again when somebody asks for that.
      try files.map.change(all) { _, reading throws(CacheFailure) in
        reading == .absent ? nil : .write(MapEntry(checksum: 0, state: .damaged))
      }
      try noteDamage(reason)
    } else {
      try files.map.change(all) { _, _ throws(CacheFailure) in .write(nil) }
      try noteLoss(of: presentBytes.bytes)
    }
    follow(state.withLock { $0.lose(all, damage: damage) })
    return CacheFailure(.damaged, reason)
  }

  /// So that the next process need not read it through before it serves it.
  private func makeDurable(_ files: SparseFiles) {
    let (core, identity) = (core, identity)
    core.endings.begin {
      do throws(CacheFailure) {
        try files.synchronize()
        let stamp = try files.stamp()
        try core.index.writeBlocking { try ObjectRow.makeDurable($0, id: identity.object, stamp: stamp) }
      } catch {
        core.logger.notice(
          "can't bring a file to the disk", metadata: ["object": "\(identity.file)", "reason": "\(error.reason)"])
      }
    }
  }
}
