import GRDB
import Glibc

/// The index's database, with every failure in the room's own terms.
///
/// Commits survive the end of the process at once (WAL). With `durably` they also survive a power loss; without it the last
/// few may be lost, never torn.
final class CacheIndex: Sendable {
  private let pool: DatabasePool
  private let layout: CacheLayout
  let reserve: IndexReserve

  /// Two processes that change the index wait for each other's transactions, which take milliseconds; a disk that is
  /// writing back gigabytes can stretch one.
  private static let busyTimeout = 20.0

  /// Opens the index, making it if it is not there. Blocking.
  /// - Throws: `.tooNew`; ``DamagedIndex`` through `isDamaged` when SQLite finds the file damaged.
  init(_ layout: CacheLayout) throws(IndexOpeningFailure) {
    self.layout = layout
    reserve = IndexReserve(path: layout.reserve, directory: layout.root)
    while true {
      do {
        pool = try Self.open(layout)
        return
      } catch {
        guard Self.isFull(error, reserve), reserve.release() else { throw IndexOpeningFailure(error) }
      }
    }
  }

  private static func open(_ layout: CacheLayout) throws -> DatabasePool {
    // SQLite gives the -wal and -shm files the mode of the main one.
    _ = try Descriptor.open(layout.index, O_RDWR | O_CREAT)
    let pool = try DatabasePool(path: layout.index, configuration: Self.configuration)
    try pool.write { db in
      let version = try Int64.fetchOne(db, sql: "PRAGMA user_version") ?? 0
      if version > IndexSchema.version { throw CacheFailure.tooNew(layout.root, version) }
      if version < IndexSchema.version { try IndexSchema.migrate(db, from: version) }
    }
    try Self.check(pool, size: Self.size(of: layout.index))
    return pool
  }

  /// Whether there was no space for something that SQLite wanted to write.
  private static func isFull(_ error: any Error, _ reserve: IndexReserve) -> Bool {
    guard let error = error as? DatabaseError else { return false }
    switch error.resultCode {
    case .SQLITE_FULL: return true
    // Also how a log or a shared memory that can't be made or grow is told.
    case .SQLITE_IOERR, .SQLITE_CANTOPEN, .SQLITE_PROTOCOL: return reserve.isDiskFull
    default: return false
    }
  }

  /// Makes the reserve again when it was given up.
  func refillReserve(free: Int64) { reserve.fill(free: free) }

  /// In bytes; zero when it can't be told. Not by opening the file: closing any descriptor of it would drop the locks that
  /// SQLite holds on it in this process (fcntl(2)), and another process would then take the index for unused.
  private static func size(of path: String) -> Int64 {
    var status = stat()
    return stat(path, &status) == 0 ? Int64(status.st_size) : 0
  }

  private static var configuration: Configuration {
    var configuration = Configuration()
    configuration.busyMode = .timeout(busyTimeout)
    // Reads are short: two at a time keep the memory of page caches small.
    configuration.maximumReaderCount = 2
    configuration.prepareDatabase { db in
      try db.execute(sql: "PRAGMA synchronous = NORMAL")
      // 1 MiB a connection.
      try db.execute(sql: "PRAGMA cache_size = -1024")
    }
    return configuration
  }

  /// Looks for damage at the start, in an index that can be read through within about a tenth of a second. In a larger one
  /// damage shows when it is met, and the start after that moves it aside.
  private static func check(_ pool: DatabasePool, size: Int64) throws {
    guard size <= 16 << 20 else { return }
    let verdict = try pool.read { try String.fetchOne($0, sql: "PRAGMA quick_check(1)") }
    if verdict != "ok" { throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: verdict) }
  }

  // MARK: - from tasks

  func read<Value: Sendable>(
    _ body: @Sendable (Database) throws -> Value
  ) async throws(CacheFailure) -> Value {
    while true {
      do {
        return try await pool.read(body)
      } catch {
        guard Self.isFull(error, reserve), reserve.release() else { throw failure(error) }
      }
    }
  }

  func write<Value: Sendable>(
    _ body: @Sendable (Database) throws -> Value
  ) async throws(CacheFailure) -> Value {
    while true {
      do {
        return try await pool.write(body)
      } catch {
        guard Self.isFull(error, reserve), reserve.release() else { throw failure(error) }
      }
    }
  }

  // MARK: - from threads that may block

  func readBlocking<Value>(_ body: (Database) throws -> Value) throws(CacheFailure) -> Value {
    try retrying { try pool.read(body) }
  }

  func writeBlocking<Value>(durably: Bool = false, _ body: (Database) throws -> Value) throws(CacheFailure) -> Value {
    try retrying {
      guard durably else { return try pool.write(body) }
      return try pool.writeWithoutTransaction { db in
        // FULL syncs the log at each commit: measured, NORMAL loses the last commit at a power loss.
        try db.execute(sql: "PRAGMA synchronous = FULL")
        defer { try? db.execute(sql: "PRAGMA synchronous = NORMAL") }
        var value: Value?
        try db.inTransaction(.immediate) {
          value = try body(db)
          return .commit
        }
        guard let value else { throw CacheFailure(.io, "a transaction of the cache's index ended without a result") }
        return value
      }
    }
  }

  /// Again with less of the reserve where the disk is full. A transaction that failed has left nothing.
  private func retrying<Value>(_ body: () throws -> Value) throws(CacheFailure) -> Value {
    while true {
      do {
        return try body()
      } catch {
        guard Self.isFull(error, reserve), reserve.release() else { throw failure(error) }
      }
    }
  }

  private func failure(_ error: any Error) -> CacheFailure {
    let opening = IndexOpeningFailure(error)
    if opening.isDamaged, let mark = try? Descriptor.open(layout.damageMark, O_WRONLY | O_CREAT) {
      _ = mark
      return CacheFailure(
        .io, "the cache's index \(layout.index) is damaged; the next start moves it aside (\(opening.failure.reason))")
    }
    return opening.failure
  }
}

/// Why the index could not be used.
struct IndexOpeningFailure: Error {
  let failure: CacheFailure
  /// Whether SQLite says that the file itself is damaged.
  let isDamaged: Bool

  init(_ error: any Error) {
    var isDamaged = false
    switch error {
    case let error as CacheFailure:
      failure = error
    case is CancellationError:
      failure = .cancelled
    case let error as DatabaseError:
      let kind: CacheFailure.Kind
      switch error.resultCode {
      case .SQLITE_FULL: kind = .noSpace
      case .SQLITE_INTERRUPT, .SQLITE_ABORT: kind = Task.isCancelled ? .cancelled : .io
      case .SQLITE_CORRUPT, .SQLITE_NOTADB:
        kind = .io
        isDamaged = true
      default: kind = .io
      }
      failure = CacheFailure(kind, "the cache's index: \(error.message ?? "SQLite error \(error.resultCode.rawValue)")")
    default:
      failure = CacheFailure(.io, "the cache's index: \(error)")
    }
    self.isDamaged = isDamaged
  }
}

extension CacheFailure {
  static func tooNew(_ directory: String, _ version: Int64) -> CacheFailure {
    CacheFailure(
      .tooNew,
      "the cache in \(directory) was made by a newer version of tollfs (format \(version), this one knows up to "
        + "\(IndexSchema.version)); use that version, or another cache.directory")
  }
}
