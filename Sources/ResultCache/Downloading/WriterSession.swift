import Foundation
import GRDB
import Glibc
import Logging
import Tasks

/// The steps of a download on disk and in the index. Blocking; the writer's lock keeps them in order.
struct WriterSession: Sendable {
  /// While a download runs, what has arrived is brought to the disk whenever so many bytes have come together: the most that a
  /// power loss can take from it.
  private static let synchronizeEvery: Int64 = 256 << 20

  let core: CacheCore
  let task: TaskPath
  let row: TaskRow
  let generation: Int64
  let isBilled: Bool

  var folder: String { core.layout.objects(of: row.folder) }
  var spoolDirectory: String { core.layout.spool(of: row.folder) }

  func makeMember(_ head: MemberHead) throws(CacheFailure) -> ArrivingMember {
    let name = CacheLayout.randomName()
    let path = core.layout.object(name, of: row.folder)
    let file = try ObjectFile(name: name, path: path, checksum: core.checksum)
    let reading = try Descriptor.open(path, O_RDONLY)
    try ReadMark.set(on: reading)
    let announced = head.size.map { UInt64($0.bytes) }
    return ArrivingMember(
      head: head, object: GrowingObject(path: path, announced: announced, descriptor: reading), file: file)
  }

  func append(_ bytes: UnsafeRawBufferPointer, to state: inout WriterState) throws(CacheFailure) {
    let count = Int64(bytes.count)
    let keeper = RoomKeeper(core: core)
    if state.written + count > state.granted {
      let asker = RoomAsker.download(task: row.id, written: state.written)
      state.granted = try state.written + keeper.grant(asker, atLeast: count, atBest: core.limits.largestStep)
    }
    guard var member = state.member else { return }
    // The file is taken out and put back, so that it is changed in place and not copied.
    state.member = nil
    defer { state.member = member }
    try member.file.append(bytes) { () throws(CacheFailure) in
      try keeper.dropOne(for: .download(task: row.id, written: 0))
    }
    state.written += count
    member.object.advance(to: UInt64(member.file.size))
  }

  func end(_ member: ArrivingMember, crc32: UInt32, size: ByteCount, _ state: inout WriterState) throws(CacheFailure)
    -> CachedMember
  {
    guard member.file.size == size.bytes else {
      throw CacheFailure(.io, "a member has \(member.file.size) bytes instead of \(size.bytes)")
    }
    var file = member.file
    file.handToDisk()
    let head = member.head
    let (memberRow, id) = try core.index.writeBlocking { db in
      try db.run(
        """
        INSERT INTO object (id, task, generation, name, size, durable, session, chunk_size, checksums)
        VALUES (\(IndexSchema.newID), ?, ?, ?, ?, 0, ?, ?, ?)
        """,
        [
          row.id, generation, file.name, file.size, core.session, file.chunkSize,
          Data(ChecksumBlob.encode(file.allChecksums)),
        ])
      let id = db.lastInsertedRowID
      let memberRow = MemberRow(
        ordinal: Int64(head.ordinal), path: JoinedPath.join(head.path), size: file.size,
        modifiedSeconds: head.modifiedSeconds, modifiedNanoseconds: head.modifiedNanoseconds, crc32: crc32,
        state: .stored,
        object: id)
      try memberRow.insert(db, task: row.id, generation: generation)
      return (memberRow, id)
    }
    state.hasContent = true
    state.ended[head.ordinal] = WriterState.EndedMember(objectID: id, name: file.name, size: file.size)
    state.unsynchronized.append(DurableObjects.Written(id: id, path: file.path))
    state.unsynchronizedBytes += file.size
    member.object.complete(size: UInt64(file.size))
    if state.unsynchronizedBytes >= Self.synchronizeEvery { try synchronize(&state) }
    return CachedMember(memberRow)
  }

  /// Drops the bytes of a member that won't come to its end.
  func discard(_ member: ArrivingMember, _ failure: CacheFailure) {
    member.object.fail(failure)
    unlink(member.file.path)
  }

  func fail(_ head: MemberHead, reason: String, word: String, _ state: inout WriterState) throws(CacheFailure) {
    let ended = state.ended[head.ordinal]
    try core.index.writeBlocking { db in
      try db.execute(
        sql: "DELETE FROM member WHERE task = ? AND generation = ? AND ordinal = ?",
        arguments: [row.id, generation, head.ordinal])
      if let ended { try db.execute(sql: "DELETE FROM object WHERE id = ?", arguments: [ended.objectID]) }
      let memberRow = MemberRow(
        ordinal: Int64(head.ordinal), path: JoinedPath.join(head.path), size: head.size?.bytes ?? 0,
        modifiedSeconds: head.modifiedSeconds, modifiedNanoseconds: head.modifiedNanoseconds, crc32: nil,
        state: .failed,
        reason: reason, word: word)
      try memberRow.insert(db, task: row.id, generation: generation)
    }
    state.hasContent = true
    if let ended {
      state.ended[head.ordinal] = nil
      state.unsynchronized.removeAll { $0.id == ended.objectID }
      unlink(core.layout.object(ended.name, of: row.folder))
    }
  }

  func directory(_ directory: CachedDirectory) throws(CacheFailure) {
    try core.index.writeBlocking { db in
      try db.execute(
        sql: """
          INSERT OR REPLACE INTO directory (task, generation, path, modified_seconds, modified_nanoseconds)
          VALUES (?, ?, ?, ?, ?)
          """,
        arguments: [
          row.id, generation, JoinedPath.join(directory.path), directory.modifiedSeconds, directory.modifiedNanoseconds,
        ])
    }
  }

  /// Writes down what was listed and not yet written: a directory of many files is not worth a transaction for each.
  func list(_ state: inout WriterState) throws(CacheFailure) {
    guard state.package != nil || !state.listed.isEmpty else { return }
    let (package, listed) = (state.package, state.listed)
    try core.index.writeBlocking { db in
      if let package {
        try db.execute(
          sql: "UPDATE task SET arriving_size = ?, arriving_validator = ? WHERE id = ?",
          arguments: [package.size.bytes, package.validator, row.id])
      }
      for member in listed { try member.insert(db, task: row.id, generation: generation) }
    }
    state.listed = []
  }

  /// Brings what has arrived to the disk and notes it.
  private func synchronize(_ state: inout WriterState) throws(CacheFailure) {
    let stamps = try DurableObjects.synchronize(state.unsynchronized, folder: folder, directory: core.directory)
    try core.index.writeBlocking { db in
      for (id, stamp) in stamps { try ObjectRow.makeDurable(db, id: id, stamp: stamp) }
    }
    state.unsynchronized = []
    state.unsynchronizedBytes = 0
  }

  /// Publishes what arrived. Data first, then the index, then the removal of what was replaced.
  func publish(_ ending: DownloadEnding, _ state: inout WriterState, mustReachDisk: Bool) throws(CacheFailure)
    -> CachedListing
  {
    do throws(CacheFailure) {
      try synchronize(&state)
    } catch {
      if mustReachDisk { throw error }
      // What is not known to be on the disk is verified before it is served.
      core.logger.warning(
        "can't bring a download to the disk", metadata: ["task": "\(task)", "reason": "\(error.reason)"])
    }
    try list(&state)
    let now = core.environment.now()
    let (listing, dropped) = try core.index.writeBlocking(durably: true) { db in
      guard let row = try TaskRow.find(db, id: row.id), row.arriving == generation else {
        throw CacheFailure(.io, "the cache's index no longer knows of this download")
      }
      let dropped = try Publishing.publish(db, task: row, billed: isBilled, ending: ending, now: now)
      guard let published = try TaskRow.find(db, id: row.id),
        let listing = try CachedListing.published(db, task: published)
      else { throw CacheFailure(.io, "the cache's index lost a row") }
      return (listing, dropped)
    }
    remove(dropped)
    return listing
  }

  func withdraw(_ state: inout WriterState) {
    do throws(CacheFailure) {
      if state.hasContent {
        let ending = DownloadEnding.broken(reason: "the download was given up", word: CachedListing.damageWord)
        _ = try publish(ending, &state, mustReachDisk: false)
      } else {
        let dropped = try core.index.writeBlocking { db in
          guard let row = try TaskRow.find(db, id: row.id), row.arriving == generation else { return [String]() }
          return try Publishing.withdraw(db, task: row)
        }
        remove(dropped)
      }
    } catch {
      core.logger.error(
        "can't take back a download", metadata: ["task": "\(task)", "reason": "\(error.reason)"])
    }
  }

  /// Lets go of the task.
  func close(_ state: inout WriterState) {
    Directories.remove(spoolDirectory)
    // Fails where the folder still holds objects.
    rmdir(folder)
    try? core.recount()
    state.lock = nil
  }

  private func remove(_ names: [String]) {
    guard !names.isEmpty else { return }
    core.layout.remove(names, of: row.folder)
    // Where this fails the next start sweeps the folder once more.
    try? core.index.writeBlocking { try Publishing.markSwept($0, task: row.id) }
  }
}
