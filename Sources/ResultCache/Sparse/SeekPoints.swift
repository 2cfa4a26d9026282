import GRDB
import Glibc
import Synchronization
import Tasks

/// A place in a compressed member from which decoding can go on.
public struct SeekPoint: Hashable, Sendable {
  /// Bytes of the compressed content before it.
  public let consumed: UInt64
  /// Bytes of the decoded content before it.
  public let produced: UInt64
  /// What the decoder must remember there.
  public let snapshot: [UInt8]

  public init(consumed: UInt64, produced: UInt64, snapshot: [UInt8]) {
    self.consumed = consumed
    self.produced = produced
    self.snapshot = snapshot
  }
}

/// The seek points of a member, in a file beside it that outlives the eviction of the member's content: records with a
/// checksum, each added at the end. Every method blocks.
///
/// They go with the package's version, and before content that was paid for when there is no room.
public final class SeekPoints: Sendable {
  private struct State {
    var file: Descriptor?
    var row: SeekPointsRow?
    /// In the order of the file.
    var records: [SeekRecord] = []
    /// Up to where the file has been looked through.
    var scanned: Int64 = 0
  }

  private let core: CacheCore
  private let task: Int64
  private let folder: String
  private let path: String
  private let package: PackageVersion?
  private let refetch: Int64
  private let state = Mutex(State())

  /// - Parameters:
  ///   - package: the version that the points are of; they are kept only as long as the index knows the same.
  ///   - refetch: bytes of the compressed content, the more of which must be fetched the fewer points there are.
  init(core: CacheCore, task: Int64, folder: String, path: String, package: PackageVersion?, refetch: Int64) {
    self.core = core
    self.task = task
    self.folder = folder
    self.path = path
    self.package = package
    self.refetch = refetch
  }

  /// Keeps a point, unless there is one at the same place already, or no room without dropping what was paid for.
  /// - Throws: `.io`.
  public func add(_ point: SeekPoint) throws(CacheFailure) {
    try state.withLock { state throws(CacheFailure) in
      guard try open(&state, makesFile: true), let row = state.row, let file = state.file else { return }
      guard let lock = try FileLock.attempt(core.layout.map(row.name, of: folder)) else { return }
      try withExtendedLifetime(lock) { () throws(CacheFailure) in
        try scan(file, &state)
        guard !state.records.contains(where: { $0.produced == point.produced }) else { return }
        let bytes = SeekRecord.encode(point, checksum: core.checksum)
        do throws(CacheFailure) {
          _ = try RoomKeeper(core: core).grant(.points(row.id), atLeast: Int64(bytes.count), atBest: 0)
        } catch {
          if error.kind == .noSpace { return }
          throw error
        }
        try append(bytes, to: file, row: row, &state)
      }
    }
  }

  /// Forgets all of them, because what they were made from was wrong.
  /// - Throws: `.io`.
  func removeAll() throws(CacheFailure) {
    try state.withLock { state throws(CacheFailure) in
      guard try open(&state, makesFile: false), let row = state.row, let file = state.file else { return }
      ftruncate(file.number, 0)
      state = State()
      try core.index.writeBlocking { db in
        try db.execute(sql: "UPDATE points SET size = 0 WHERE id = ?", arguments: [row.id])
      }
    }
  }

  private func append(_ bytes: [UInt8], to file: Descriptor, row: SeekPointsRow, _ state: inout State)
    throws(CacheFailure)
  {
    let count = bytes.withUnsafeBytes { pwrite(file.number, $0.baseAddress, $0.count, off_t(state.scanned)) }
    if count == bytes.count { return try scan(file, &state) }
    // A point is worth no eviction on a full disk.
    ftruncate(file.number, off_t(state.scanned))
    try core.index.writeBlocking { db in
      try db.execute(sql: "UPDATE points SET size = size - ? WHERE id = ?", arguments: [bytes.count, row.id])
    }
  }

  /// The last point at or before a place in the decoded content. A damaged one is as if it were not there.
  /// - Throws: `.io`.
  public func nearest(atOrBefore produced: UInt64) throws(CacheFailure) -> SeekPoint? {
    try state.withLock { state throws(CacheFailure) in
      guard try open(&state, makesFile: false), let file = state.file else { return nil }
      try scan(file, &state)
      while let index = Self.nearest(state.records, produced) {
        if let point = try SeekRecord.read(state.records[index], file, checksum: core.checksum) {
          touch(state.row)
          return point
        }
        state.records.remove(at: index)
      }
      return nil
    }
  }

  private static func nearest(_ records: [SeekRecord], _ produced: UInt64) -> Int? {
    records.indices.filter { records[$0].produced <= produced }.max { records[$0].produced < records[$1].produced }
  }

  /// - Returns: whether there is a file.
  private func open(_ state: inout State, makesFile: Bool) throws(CacheFailure) -> Bool {
    let row = try core.index.readBlocking { try SeekPointsRow.find($0, task: task, path: path) }
    if let row, row.id == state.row?.id, state.file != nil { return true }
    state = State()
    var found = row
    if found == nil, makesFile { found = try core.index.writeBlocking { try make($0) } }
    // Of another version of the package: those points are not ours.
    guard let found, try core.index.readBlocking({ try TaskRow.find($0, id: task)?.package }) == package else {
      return false
    }
    if makesFile { try Directories.make(core.layout.objects(of: folder)) }
    state.row = found
    do throws(CacheFailure) {
      state.file = try Descriptor.open(
        core.layout.object(found.name, of: folder), makesFile ? O_RDWR | O_CREAT : O_RDWR)
    } catch {
      if error.kind == .notFound { return false }
      throw error
    }
    return true
  }

  private func make(_ db: Database) throws -> SeekPointsRow? {
    guard let row = try TaskRow.find(db, id: task), row.state != nil, row.package == package else { return nil }
    try db.execute(
      sql: """
        INSERT INTO points (id, task, path, name, refetch, last_used, used_age)
        SELECT \(IndexSchema.newID), ?, ?, ?, ?, ?, free_age FROM held
        """, arguments: [task, path, CacheLayout.randomName(), refetch, core.environment.now()])
    return try SeekPointsRow.find(db, task: task, path: path)
  }

  /// Looks at what was added, by this process or another.
  private func scan(_ file: Descriptor, _ state: inout State) throws(CacheFailure) {
    let size = try file.stamp().size
    while state.scanned < size {
      let record = try SeekRecord.readHead(at: state.scanned, of: file)
      // A torn record of a process that was killed: the next one begins at some multiple after it.
      guard let record, record.end <= size else {
        state.scanned += SeekRecord.alignment
        continue
      }
      state.records.append(record)
      state.scanned = record.end
    }
    // A torn tail may end anywhere.
    state.scanned = SeekRecord.aligned(max(state.scanned, size))
  }

  private func touch(_ row: SeekPointsRow?) {
    guard let row, core.shouldTouch(.points(row.id)) else { return }
    try? core.index.writeBlocking { try Usage.note($0, .points(row.id), now: core.environment.now()) }
  }
}
