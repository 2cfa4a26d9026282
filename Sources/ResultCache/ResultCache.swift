import GRDB
import Glibc
import Logging
import Tasks

/// Results on disk: one file a member, an index of what is known, limits, and checksums that are checked before bytes of an
/// earlier run are served. Survives the end of its process at any moment, and any number of processes may use one directory
/// at once.
///
/// No method blocks the cooperative pool, and every wait ends at once when its task is cancelled. ``DownloadWriter`` is
/// the exception: it belongs on a thread of its own.
public final class ResultCache: Sendable {
  let core: CacheCore
  private let verifier = Verifier()
  let openings = SerialLane("tollfs.cache.openings")

  /// Opens the cache in a directory, making it (0700) if it is not there, and puts in order what crashed processes left.
  ///
  /// A damaged index is moved aside with its files (the log names both), and the cache begins empty.
  /// - Parameters:
  ///   - checksum: of chunks of content, such as CRC-32; a cache must always be opened with the same.
  ///   - prices: what sources charge; what is cheaper to buy again is evicted first.
  /// - Throws: `.tooNew` for a cache of a newer version; `.io`, `.noSpace`.
  public convenience init(
    directory: String, limits: CacheLimits, checksum: @escaping Checksum, logger: Logger,
    prices: [SourceName: PricePerGigabyte] = [:]
  ) async throws(CacheFailure) {
    try await self.init(
      directory: directory, limits: limits, checksum: checksum, logger: logger, environment: CacheEnvironment(),
      prices: prices)
  }

  init(
    directory: String, limits: CacheLimits, checksum: @escaping Checksum, logger: Logger,
    environment: CacheEnvironment, prices: [SourceName: PricePerGigabyte] = [:]
  ) async throws(CacheFailure) {
    let startup = Startup(
      layout: CacheLayout(root: directory), limits: limits, checksum: checksum, logger: logger,
      environment: environment,
      prices: prices)
    core = try await OffPool.run { () throws(CacheFailure) in try startup.run() }
  }

  /// What the cache may use of the disk.
  public var limits: CacheLimits { core.limits }

  /// A directory on the cache's file system for temporary files that have lost their names.
  public var spoolDirectory: String { core.layout.spool }

  // MARK: - what is known

  /// What is known of a task's results; nil when they were never downloaded. While a download runs this is what was known
  /// before it.
  public func listing(of task: TaskPath) async throws(CacheFailure) -> CachedListing? {
    // Twice at most: once more after a crashed download was put in order.
    for _ in 0..<2 {
      let (row, listing) = try await core.index.read { db -> (TaskRow?, CachedListing?) in
        guard let row = try TaskRow.find(db, path: task.description) else { return (nil, nil) }
        return (row, try CachedListing.published(db, task: row))
      }
      guard let row, row.arriving != nil else { return listing }
      let core = core
      let hasSettled = try await OffPool.run { () throws(CacheFailure) in try Recovery(core: core).settle(row) }
      guard hasSettled else { return listing }
    }
    return try await core.index.read { db in
      try TaskRow.find(db, path: task.description).flatMap { try CachedListing.published(db, task: $0) }
    }
  }

  /// Tells cheaply whether a listing that was read earlier is still what is known; nil when nothing is.
  ///
  /// A version that was read before its listing never vouches for an older one.
  public func version(of task: TaskPath) async throws(CacheFailure) -> ListingVersion? {
    try await core.index.read { db in
      guard let row = try TaskRow.find(db, path: task.description), row.state != nil else { return nil }
      return ListingVersion(generation: row.generation, changes: row.changes)
    }
  }

  /// All tasks of which anything is known, in the order of their paths.
  public func tasks() async throws(CacheFailure) -> [TaskPath] {
    try await core.index.read { db in
      try String.fetchAll(db, sql: "SELECT path FROM task WHERE state IS NOT NULL ORDER BY path")
        .compactMap(TaskPath.init(parsing:))
    }
  }

  /// What the cache holds; from memory, at most a few seconds behind other processes.
  public func usage() -> CacheUsage { core.usage() }

  // MARK: - downloading

  /// Begins a download, waiting as long as any process downloads the same task: whoever waited looks at the listing again.
  ///
  /// Room is planned here and made while bytes arrive, task by task.
  /// - Parameters:
  ///   - bytes: how much it is expected to bring, or nil where nobody can say.
  ///   - costs: whether it is paid for; such content is evicted last, and never bought again without being asked for.
  /// - Throws: `.noSpace` when it can't fit within the limits whatever is evicted; `.cancelled`.
  public func beginDownload(of task: TaskPath, expecting bytes: ByteCount?, costs: Bool) async throws(CacheFailure)
    -> DownloadWriter
  {
    let folder = CacheLayout.folder(for: task)
    let core = core
    // Short waits at first, then half a second: a download takes long, and flock(2) can't be waited for without a thread.
    var pause = Duration.milliseconds(10)
    while true {
      let writer = try await OffPool.run { () throws(CacheFailure) -> DownloadWriter? in
        guard let lock = try FileLock.attempt(core.layout.lock(of: folder)) else { return nil }
        return try DownloadStart(core: core, task: task, folder: folder, isBilled: costs)
          .begin(expecting: bytes, lock: lock)
      }
      if let writer { return writer }
      do {
        try await Task.sleep(for: pause)
      } catch {
        throw .cancelled
      }
      pause = min(pause * 2, .milliseconds(500))
    }
  }

  // MARK: - reading

  /// Opens a member for reading, its bytes verified: by its stamp when nothing touched the file since it was last known to be
  /// right, else by its checksums, which takes as long as reading it.
  /// - Throws: `.notFound` when it is not in the cache (any more) or is another file by now, `.damaged`, `.cancelled`, `.io`.
  public func open(_ member: CachedMember, of task: TaskPath) async throws(CacheFailure) -> StoredObject {
    let name = JoinedPath.join(member.path)
    // A verification leaves a new stamp, so that the second round ends; a third for one that another process disturbed.
    for _ in 0..<3 {
      let found = try await find(member, name: name, task: task)
      let core = core
      let opened = try await OffPool.run { () throws(CacheFailure) in try Self.open(found, core: core) }
      if let opened {
        await touch(found.object.isSingle ? .member(object: found.object.id) : .stream(task: found.task.id))
        return opened
      }
      try await verifier.verify(
        Verification(core: core, object: found.object, folder: found.task.folder, name: name))
    }
    throw CacheFailure(.io, "the cached copy of \(name) is being changed")
  }

  private struct Found: Sendable {
    let task: TaskRow
    let object: ObjectRow
  }

  private func find(_ member: CachedMember, name: String, task: TaskPath) async throws(CacheFailure) -> Found {
    let found = try await core.index.read { db -> Result<Found, CacheFailure> in
      let missing = CacheFailure(.notFound, "\(name) is not in the cache")
      guard let task = try TaskRow.find(db, path: task.description), task.state != nil,
        let row = try MemberRow.published(db, task: task, path: name)
      else { return .failure(missing) }
      switch row.state {
      case .damaged:
        return .failure(CacheFailure(.damaged, row.reason ?? "the cached copy of \(name) is damaged"))
      case .stored:
        guard row.size == member.size.bytes, row.crc32 == member.crc32, let id = row.object,
          let object = try ObjectRow.find(db, id: id)
        else { return .failure(missing) }
        return .success(Found(task: task, object: object))
      case .evicted, .failed:
        return .failure(missing)
      }
    }
    return try found.get()
  }

  /// Nil when the bytes must be verified first.
  private static func open(_ found: Found, core: CacheCore) throws(CacheFailure) -> StoredObject? {
    let file: Descriptor
    do throws(CacheFailure) {
      file = try Descriptor.open(core.layout.object(found.object.name, of: found.task.folder), O_RDONLY)
    } catch {
      // Evicted a moment ago, or lost: the verification finds out which.
      if error.kind == .notFound { return nil }
      throw error
    }
    try ReadMark.set(on: file)
    let stamp = try file.stamp()
    let object = found.object
    let isTrusted =
      object.isDurable ? object.stamp == stamp : object.session == core.session && object.size == stamp.size
    return isTrusted ? StoredObject(file, size: UInt64(object.size)) : nil
  }

  /// Notes that something was used, for the order of eviction. Not worth a failure.
  func touch(_ unit: EvictionUnit) async {
    guard core.shouldTouch(unit) else { return }
    let now = core.environment.now()
    try? await core.index.write { try Usage.note($0, unit, now: now) }
  }

  // MARK: - eviction

  /// Drops a task's bytes and keeps its listing. Files that are open stay readable to those who have them open.
  ///
  /// Pinned content stays pinned when it is evicted all the same: what comes back is kept.
  /// - Returns: how many bytes went.
  /// - Throws: `.io` while the task is being downloaded, `.pinned`.
  public func evict(_ task: TaskPath, evenPinned: Bool = false) async throws(CacheFailure) -> ByteCount {
    let core = core
    return try await OffPool.run { () throws(CacheFailure) in
      guard let row = try core.index.readBlocking({ try TaskRow.find($0, path: task.description) }) else {
        return .zero
      }
      _ = try Recovery(core: core).settle(row)
      for _ in 0..<Self.evictionTries {
        switch try Evictor(core: core).evictAll(of: row.id, evenPinned: evenPinned) {
        case .evicted(let bytes): return bytes
        case .pinned: throw CacheFailure(.pinned, "\(task) is pinned")
        case .busy, .inUse: usleep(Self.evictionPause)
        }
      }
      throw CacheFailure(.io, "\(task) is being downloaded")
    }
  }

  /// Does something with a task that is known while nobody else changes it. Blocking work, off the pool.
  func holding(
    _ task: TaskPath, _ body: @escaping @Sendable (TaskRow) throws(CacheFailure) -> Void
  ) async throws(CacheFailure) {
    let core = core
    try await OffPool.run { () throws(CacheFailure) in
      for _ in 0..<Self.evictionTries {
        guard let row = try core.index.readBlocking({ try TaskRow.find($0, path: task.description) }) else { return }
        if let lock = try FileLock.attempt(core.layout.lock(of: row.folder)) {
          return try withExtendedLifetime(lock) { () throws(CacheFailure) in
            _ = try Recovery(core: core).settleLocked(path: row.path)
            try body(row)
          }
        }
        usleep(Self.evictionPause)
      }
      throw CacheFailure(.io, "\(task) is being downloaded")
    }
  }

  /// Three seconds in all: whoever settles a task, and a program that was started while its lock was open, holds it for
  /// moments; a download holds it longer.
  private static let evictionTries = 60
  /// Microseconds.
  private static let evictionPause: useconds_t = 50_000

  /// Keeps a task's bytes from being evicted to make room, or lets them go again.
  /// - Returns: false, and nothing has happened, when nothing is known of the task.
  @discardableResult
  public func setPinned(_ isPinned: Bool, _ task: TaskPath) async throws(CacheFailure) -> Bool {
    try await core.index.write { db in
      try db.execute(
        sql: "UPDATE task SET pinned = ? WHERE path = ?", arguments: [isPinned, task.description])
      return db.changesCount > 0
    }
  }

  /// The tasks whose bytes are kept.
  public func pinnedTasks() async throws(CacheFailure) -> Set<TaskPath> {
    try await core.index.read { db in
      Set(
        try String.fetchAll(db, sql: "SELECT path FROM task WHERE pinned").compactMap(TaskPath.init(parsing:)))
    }
  }
}
