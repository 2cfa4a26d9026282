import Foundation
import GRDB
import Tasks

/// What the index says of a task, apart from its members.
struct TaskRow: Sendable {
  let id: Int64
  let path: String
  let folder: String
  let isBilled: Bool
  let isPinned: Bool
  /// The published generation; meaningful only where ``state`` is not nil.
  let generation: Int64
  let state: String?
  let reason: String?
  let word: String?
  /// Milliseconds since 1970.
  let downloadedAt: Int64?
  /// The generation of a running or crashed download.
  let arriving: Int64?
  /// What is published is the directory of this package.
  let package: PackageVersion?
  /// What arrives is the directory of this package.
  let arrivingPackage: PackageVersion?
  /// Grows with every change of a member's state.
  let changes: Int64

  init(_ row: Row) {
    id = row["id"]
    path = row["path"]
    folder = row["folder"]
    isBilled = row["billed"]
    isPinned = row["pinned"]
    generation = row["generation"]
    state = row["state"]
    reason = row["reason"]
    word = row["word"]
    downloadedAt = row["downloaded_at"]
    arriving = row["arriving"]
    package = Self.package(size: row["package_size"], validator: row["package_validator"])
    arrivingPackage = Self.package(size: row["arriving_size"], validator: row["arriving_validator"])
    changes = row["changes"]
  }

  private static func package(size: Int64?, validator: String?) -> PackageVersion? {
    size.map { PackageVersion(size: ByteCount($0), validator: validator) }
  }

  static func find(_ db: Database, path: String) throws -> TaskRow? {
    try db.row("SELECT * FROM task WHERE path = ?", [path]).map(TaskRow.init)
  }

  static func find(_ db: Database, id: Int64) throws -> TaskRow? {
    try db.row("SELECT * FROM task WHERE id = ?", [id]).map(TaskRow.init)
  }

  static func all(_ db: Database) throws -> [TaskRow] {
    try Row.fetchAll(db, sql: "SELECT * FROM task").map(TaskRow.init)
  }

  /// Tasks whose download is running or crashed, or whose folder was not cleaned up to the end.
  static func unsettled(_ db: Database) throws -> [TaskRow] {
    try Row.fetchAll(db, sql: "SELECT * FROM task WHERE arriving IS NOT NULL OR unswept").map(TaskRow.init)
  }
}

/// One file in one generation of a task.
struct MemberRow: Sendable {
  enum State: String, Sendable {
    case stored, evicted, failed, damaged
  }

  let ordinal: Int64
  let path: String
  let size: Int64
  let modifiedSeconds: Int64
  let modifiedNanoseconds: Int32
  let crc32: UInt32?
  let state: State
  let reason: String?
  let word: String?
  /// Of the bytes that are here: all of them where the state is `stored`, else some of them.
  let object: Int64?
  let place: CachedPlace?

  init(
    ordinal: Int64, path: String, size: Int64, modifiedSeconds: Int64, modifiedNanoseconds: Int32, crc32: UInt32?,
    state: State, reason: String? = nil, word: String? = nil, object: Int64? = nil, place: CachedPlace? = nil
  ) {
    self.ordinal = ordinal
    self.path = path
    self.size = size
    self.modifiedSeconds = modifiedSeconds
    self.modifiedNanoseconds = modifiedNanoseconds
    self.crc32 = crc32
    self.state = state
    self.reason = reason
    self.word = word
    self.object = object
    self.place = place
  }

  init(_ row: Row) {
    ordinal = row["ordinal"]
    path = row["path"]
    size = row["size"]
    modifiedSeconds = row["modified_seconds"]
    modifiedNanoseconds = row["modified_nanoseconds"]
    crc32 = row["crc32"]
    state = State(rawValue: row["state"]) ?? .damaged
    reason = row["reason"]
    word = row["word"]
    object = row["object"]
    if let header: Int64 = row["header_offset"], let limit: Int64 = row["place_limit"],
      let compressed: Int64 = row["compressed_size"], let method: Int64 = row["method"]
    {
      place = CachedPlace(
        headerOffset: UInt64(bitPattern: header), limit: UInt64(bitPattern: limit),
        compressedSize: ByteCount(compressed), method: UInt16(truncatingIfNeeded: method))
    } else {
      place = nil
    }
  }

  static func all(_ db: Database, task: Int64, generation: Int64) throws -> [MemberRow] {
    try Row.fetchAll(
      db, sql: "SELECT * FROM member WHERE task = ? AND generation = ? ORDER BY ordinal", arguments: [task, generation]
    ).map(MemberRow.init)
  }

  /// A member of what is published.
  static func published(_ db: Database, task: TaskRow, path: String) throws -> MemberRow? {
    try db.row("SELECT * FROM member WHERE task = ? AND generation = ? AND path = ?", [task.id, task.generation, path])
      .map(MemberRow.init)
  }

  func insert(_ db: Database, task: Int64, generation: Int64) throws {
    try db.run(
      """
      INSERT INTO member (task, generation, ordinal, path, size, modified_seconds, modified_nanoseconds, crc32, state,
        reason, word, object, header_offset, place_limit, compressed_size, method)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      """,
      [
        task, generation, ordinal, path, size, modifiedSeconds, modifiedNanoseconds, crc32, state.rawValue, reason,
        word, object, place.map { Int64(bitPattern: $0.headerOffset) }, place.map { Int64(bitPattern: $0.limit) },
        place?.compressedSize.bytes, place.map { Int64($0.method) },
      ])
  }
}

/// The stored bytes of a member.
struct ObjectRow: Sendable {
  let id: Int64
  let task: Int64
  let name: String
  let size: Int64
  let isDurable: Bool
  let session: Int64
  /// What the file looked like when its bytes were last known to be right.
  let stamp: ObjectStamp?
  let chunkSize: Int64
  let checksums: [UInt8]
  /// Only some bytes are here: the map beside the file says which.
  let isPartial: Bool
  /// Fetched, and so evicted, by itself.
  let isSingle: Bool
  /// Of a single one.
  let isBilled: Bool

  init(_ row: Row) {
    id = row["id"]
    task = row["task"]
    name = row["name"]
    size = row["size"]
    isDurable = row["durable"]
    session = row["session"]
    if let inode: Int64 = row["inode"], let size: Int64 = row["stamped_size"], let changed: Int64 = row["changed"] {
      stamp = ObjectStamp(inode: inode, size: size, changed: changed)
    } else {
      stamp = nil
    }
    chunkSize = row["chunk_size"]
    let blob: Data = row["checksums"]
    checksums = Array(blob)
    isPartial = row["partial"]
    isSingle = row["single"]
    isBilled = row["billed"]
  }

  static func find(_ db: Database, id: Int64) throws -> ObjectRow? {
    try db.row("SELECT * FROM object WHERE id = ?", [id]).map(ObjectRow.init)
  }

  /// Remembers that the bytes are on the disk, right, in a file that looks like this.
  static func makeDurable(_ db: Database, id: Int64, stamp: ObjectStamp) throws {
    try db.execute(
      sql: "UPDATE object SET durable = 1, inode = ?, stamped_size = ?, changed = ? WHERE id = ?",
      arguments: [stamp.inode, stamp.size, stamp.changed, id])
  }
}
