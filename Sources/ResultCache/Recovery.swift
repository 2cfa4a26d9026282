import GRDB
import Glibc
import Logging
import Tasks

/// Puts in order what crashed processes left: downloads that never ended, files that the index does not know, temporary
/// files. Whatever a living process works on is left alone: it holds the task's lock. Blocking.
struct Recovery: Sendable {
  let core: CacheCore

  /// At the start: everything that may have been left.
  func run() throws(CacheFailure) {
    _ = try settleAll()
    try sweepUnknownFolders()
    let boot = core.environment.boot()
    let isNewBoot = try core.index.readBlocking { try String.fetchOne($0, sql: "SELECT boot FROM held") } != boot
    _ = try PartialRecount(core: core).run(isNewBoot ? .all : .claimed)
    guard isNewBoot else { return }
    try sweepAll()
    try core.index.writeBlocking { try $0.execute(sql: "UPDATE held SET boot = ?", arguments: [boot]) }
  }

  /// A power loss may have taken the index's last words on files that are there.
  private func sweepAll() throws(CacheFailure) {
    for row in try core.index.readBlocking({ try TaskRow.all($0) }) {
      guard let lock = try FileLock.attempt(core.layout.lock(of: row.folder)) else { continue }
      try withExtendedLifetime(lock) { () throws(CacheFailure) in
        if row.arriving == nil { try sweep(row) }
      }
    }
  }

  /// Tasks whose download or clean-up was cut off.
  /// - Returns: how many there were.
  func settleAll() throws(CacheFailure) -> Int {
    var count = 0
    for row in try core.index.readBlocking({ try TaskRow.unsettled($0) }) where try settle(row) { count += 1 }
    return count
  }

  /// Settles one task unless a living process works on it.
  func settle(_ row: TaskRow) throws(CacheFailure) -> Bool {
    guard let lock = try FileLock.attempt(core.layout.lock(of: row.folder)) else { return false }
    return try withExtendedLifetime(lock) { () throws(CacheFailure) in try settleLocked(path: row.path) }
  }

  /// Settles one task, whose lock the caller holds.
  /// - Returns: whether anything was left to settle.
  func settleLocked(path: String) throws(CacheFailure) -> Bool {
    guard let row = try core.index.readBlocking({ try TaskRow.find($0, path: path) }) else { return false }
    let isUnswept = try core.index.readBlocking { db in
      try Bool.fetchOne(db, sql: "SELECT unswept FROM task WHERE id = ?", arguments: [row.id]) ?? false
    }
    guard row.arriving != nil || isUnswept else { return false }
    if row.arriving != nil { try end(row) }
    try sweep(row)
    return true
  }

  /// A download that was cut off becomes a broken one: what arrived whole stays. One that was paid for is never forgotten,
  /// even if nothing arrived: nobody knows whether the request had left, and a second purchase is the user's decision.
  private func end(_ row: TaskRow) throws(CacheFailure) {
    let arrived = try dropIncomplete(row)
    // A directory that was not read to its end is read again; what was published before it stays as it is.
    let isOnlyNames = row.arrivingPackage == nil ? false : try !hasObjects(row)
    if arrived == 0 && !row.isBilled || isOnlyNames {
      try core.index.writeBlocking(durably: true) { _ = try Publishing.withdraw($0, task: row) }
      return
    }
    let ending = DownloadEnding.broken(
      reason: "the download was cut off: the program that ran it ended", word: CachedListing.damageWord)
    let now = core.environment.now()
    try core.index.writeBlocking(durably: true) { db in
      _ = try Publishing.publish(db, task: row, billed: row.isBilled, ending: ending, now: now)
    }
    core.logger.warning(
      "a download was cut off by the end of its program; what arrived whole is kept",
      metadata: ["task": "\(row.path)", "files": "\(arrived)"])
  }

  private func hasObjects(_ row: TaskRow) throws(CacheFailure) -> Bool {
    try core.index.readBlocking { db in
      try Bool.fetchOne(
        db, sql: "SELECT EXISTS (SELECT * FROM object WHERE task = ? AND generation = ?)",
        arguments: [row.id, row.arriving]) ?? false
    }
  }

  /// Forgets members whose file is not there or has another length: after a power loss the index may know more than the disk.
  /// - Returns: how many members and directories of the new generation remain.
  private func dropIncomplete(_ row: TaskRow) throws(CacheFailure) -> Int {
    guard let generation = row.arriving else { return 0 }
    let layout = core.layout
    return try core.index.writeBlocking { db in
      let objects = try Row.fetchAll(
        db, sql: "SELECT id, name, size FROM object WHERE task = ? AND generation = ?", arguments: [row.id, generation])
      for object in objects {
        var status = stat()
        let path = layout.object(object["name"], of: row.folder)
        if stat(path, &status) == 0, Int64(status.st_size) == object["size"] as Int64 { continue }
        let id: Int64 = object["id"]
        try db.execute(
          sql: "DELETE FROM member WHERE task = ? AND generation = ? AND object = ?",
          arguments: [row.id, generation, id])
        try db.execute(sql: "DELETE FROM object WHERE id = ?", arguments: [id])
      }
      var count = 0
      for table in ["member", "directory"] {
        count +=
          try Int.fetchOne(
            db, sql: "SELECT count(*) FROM \(table) WHERE task = ? AND generation = ?", arguments: [row.id, generation])
          ?? 0
      }
      return count
    }
  }

  /// Removes the files in a task's folder that the index does not know.
  private func sweep(_ row: TaskRow) throws(CacheFailure) {
    // Listed before the index is asked: whoever makes a file, of a member that is fetched in parts, writes its name there first.
    let names = Directories.names(in: core.layout.objects(of: row.folder))
    let known = try core.index.readBlocking { try KnownFiles.names($0, task: row.id) }
    for name in names where !known.contains(name) { unlink(core.layout.object(name, of: row.folder)) }
    Directories.remove(core.layout.spool(of: row.folder))
    try core.index.writeBlocking { try Publishing.markSwept($0, task: row.id) }
  }

  /// Folders of tasks that the index does not know at all.
  private func sweepUnknownFolders() throws(CacheFailure) {
    let folders = Set(
      Directories.names(in: core.layout.objects) + Directories.names(in: core.layout.spool))
    let known = Set(try core.index.readBlocking { try String.fetchAll($0, sql: "SELECT folder FROM task") })
    for folder in folders.subtracting(known) {
      guard let lock = try FileLock.attempt(core.layout.lock(of: folder)) else { continue }
      try withExtendedLifetime(lock) { () throws(CacheFailure) in
        let isKnown = try core.index.readBlocking { db in
          try Bool.fetchOne(db, sql: "SELECT EXISTS (SELECT * FROM task WHERE folder = ?)", arguments: [folder]) ?? true
        }
        guard !isKnown else { return }
        Directories.remove(core.layout.objects(of: folder))
        Directories.remove(core.layout.spool(of: folder))
      }
    }
  }
}
