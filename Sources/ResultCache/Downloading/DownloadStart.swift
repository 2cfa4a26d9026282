import Glibc
import Tasks

/// What happens between the lock on a task and its first byte. Blocking.
struct DownloadStart: Sendable {
  let core: CacheCore
  let task: TaskPath
  let folder: String
  let isBilled: Bool

  func begin(expecting bytes: ByteCount?, lock: FileLock) throws(CacheFailure) -> DownloadWriter {
    // Whoever had the lock before may have crashed.
    _ = try Recovery(core: core).settleLocked(path: task.description)
    let now = core.environment.now()
    let row = try core.index.writeBlocking(durably: true) { db in
      try Publishing.begin(
        db, path: task.description, folder: folder, isBilled: isBilled, promised: 0, now: now)
    }
    let session = WriterSession(
      core: core, task: task, row: row, generation: row.arriving ?? 1, isBilled: isBilled)
    let writer = DownloadWriter(session: session, lock: lock)
    do throws(CacheFailure) {
      try RoomKeeper(core: core).promise(row.id, expecting: bytes?.bytes)
      try Directories.make(session.folder)
      try Directories.make(session.spoolDirectory)
      try Directories.synchronize(core.layout.objects)
      return writer
    } catch {
      writer.abandon()
      throw error
    }
  }
}
