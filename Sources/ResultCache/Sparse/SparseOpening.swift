import GRDB
import Glibc
import Logging
import Synchronization
import Tasks

/// The objects of members that arrive in parts, one each in this process, as long as anybody has them.
///
/// Lock order: a leaf.
final class SparseRegistry: Sendable {
  private struct Entry {
    weak var object: SparseObject?
  }

  /// Entries of objects that are gone are dropped when the table has doubled.
  private struct Table {
    var entries: [Int64: Entry] = [:]
    var limit = 64
  }

  private let table = Mutex(Table())

  func object(_ id: Int64) -> SparseObject? { table.withLock { $0.entries[id]?.object } }

  func keep(_ object: SparseObject) {
    table.withLock { table in
      table.entries[object.identity.object] = Entry(object: object)
      guard table.entries.count > table.limit else { return }
      table.entries = table.entries.filter { $0.value.object != nil }
      table.limit = max(64, table.entries.count * 2)
    }
  }
}

/// Finds or makes what a member that arrives in parts has on disk. Blocking, and one at a time in a process.
struct SparseOpening: Sendable {
  let core: CacheCore
  let task: TaskPath
  let member: CachedMember
  let costs: Bool

  enum Outcome: Sendable {
    case object(SparseObject, isNew: Bool)
    /// It is an ordinary stored member.
    case stored(SparseIdentity, SeekPoints)
    /// Somebody evicted or completed it at this very moment.
    case changed
  }

  private struct Found {
    let task: TaskRow
    let member: MemberRow
    let object: ObjectRow?
  }

  private var name: String { JoinedPath.join(member.path) }

  func run() throws(CacheFailure) -> Outcome {
    var found = try core.index.readBlocking { try find($0) }.get()
    var isNew = false
    if found.member.state == .stored { return .stored(identity(found), points(found)) }
    if found.object == nil {
      found = try core.index.writeBlocking { db in
        try make(db)
        return try find(db)
      }.get()
      isNew = true
    }
    guard let row = found.object, row.isPartial else { return .changed }
    if let object = core.sparseObjects.object(row.id) { return .object(object, isNew: false) }
    let object = try open(found, row)
    // Whoever evicted or completed it meanwhile looked for its files perhaps before they were made.
    let now = try core.index.readBlocking { try ObjectRow.find($0, id: row.id) }
    guard let now, now.isPartial else {
      if now == nil {
        core.layout.remove([row.name], of: found.task.folder)
      } else {
        unlink(core.layout.map(row.name, of: found.task.folder))
      }
      return .changed
    }
    core.sparseObjects.keep(object)
    return .object(object, isNew: isNew)
  }

  private func find(_ db: Database) throws -> Result<Found, CacheFailure> {
    let missing = CacheFailure(.notFound, "\(name) is not listed any more")
    guard let task = try TaskRow.find(db, path: task.description), task.state != nil,
      let row = try MemberRow.published(db, task: task, path: name), row.size == member.size.bytes,
      row.crc32 == member.crc32, row.place == member.place
    else { return .failure(missing) }
    switch row.state {
    case .damaged:
      return .failure(CacheFailure(.damaged, row.reason ?? "the cached copy of \(name) is damaged"))
    case .failed:
      return .failure(missing)
    case .stored, .evicted:
      return .success(
        Found(task: task, member: row, object: try row.object.flatMap { try ObjectRow.find(db, id: $0) }))
    }
  }

  /// Notes the object before its files are made, so that files can't outlive a crash unseen.
  private func make(_ db: Database) throws {
    guard let task = try TaskRow.find(db, path: task.description), task.state != nil,
      let row = try MemberRow.published(db, task: task, path: name), row.object == nil, row.state == .evicted
    else { return }
    try db.run(
      """
      INSERT INTO object (id, task, generation, name, size, durable, session, chunk_size, checksums, single, partial, billed,
        refetch, last_used, used_age)
      VALUES (\(IndexSchema.newID), ?, ?, ?, 0, 0, ?, 0, x'', ?, 1, ?, ?, ?, (SELECT CASE WHEN ? THEN billed_age ELSE free_age END FROM held))
      """,
      [
        task.id, task.generation, CacheLayout.randomName(), core.session, row.place != nil, costs,
        row.place?.compressedSize.bytes ?? row.size, core.environment.now(), costs,
      ])
    try db.run(
      "UPDATE member SET object = ? WHERE task = ? AND generation = ? AND ordinal = ?",
      [db.lastInsertedRowID, task.id, task.generation, row.ordinal])
  }

  private func open(_ found: Found, _ row: ObjectRow) throws(CacheFailure) -> SparseObject {
    // What is paid for once is paid for, also where its first part was not.
    if costs, !row.isBilled {
      try core.index.writeBlocking { try $0.run("UPDATE object SET billed = 1 WHERE id = ?", [row.id]) }
    }
    let layout = core.layout
    let folder = found.task.folder
    let size = UInt64(found.member.size)
    try Directories.make(layout.objects(of: folder))
    let files = try SparseFiles(
      path: layout.object(row.name, of: folder), mapPath: layout.map(row.name, of: folder), size: size)
    let object = SparseObject(
      core: core, identity: identity(found), files: files, blocks: try blocks(of: files, row), seekPoints: points(found)
    )
    return object
  }

  private func blocks(of files: SparseFiles, _ row: ObjectRow) throws(CacheFailure) -> SparseBlocks {
    var blocks = SparseBlocks(count: files.map.count)
    let condition = try files.map.prepare(size: files.size)
    if condition != .found {
      guard row.size > 0 else { return blocks }
      let isLoss = condition == .garbage || row.isDurable
      guard row.isBilled, isLoss else {
        core.logger.notice(
          "the map of a cached file is lost; the file is fetched again", metadata: ["object": "\(row.name)"])
        try core.index.writeBlocking { db in
          try db.execute(sql: "UPDATE object SET size = 0 WHERE id = ? AND claimants = 0", arguments: [row.id])
        }
        return blocks
      }
      let reason = "what is here of the cached copy of \(name) can't be told any more"
      try core.index.writeBlocking { db in
        try db.execute(
          sql: "UPDATE member SET state = 'damaged', reason = ? WHERE object = ?", arguments: [reason, row.id])
      }
      throw CacheFailure(.damaged, reason)
    }
    for run in try files.map.present().runs { blocks.find(run) }
    return blocks
  }

  private func identity(_ found: Found) -> SparseIdentity {
    SparseIdentity(
      task: found.task.id, folder: found.task.folder, object: found.object?.id ?? -1, file: found.object?.name ?? "",
      name: name, crc32: found.member.crc32, isBilled: costs || found.object?.isBilled == true)
  }

  private func points(_ found: Found) -> SeekPoints {
    SeekPoints(
      core: core, task: found.task.id, folder: found.task.folder, path: name, package: found.task.package,
      refetch: found.member.place?.compressedSize.bytes ?? found.member.size)
  }
}
