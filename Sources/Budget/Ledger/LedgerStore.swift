import Foundation
import GRDB

/// The ledger's file: opened with care, read and written in transactions on a queue of its own.
///
/// Calls are never cut short by the cancellation of the task that makes them: money that moved is written down, whoever
/// has lost interest meanwhile. (GRDB's `async` functions would roll back.)
struct LedgerStore: Sendable {
  let path: String
  let queue: DatabaseQueue
  private let identity: FileIdentity

  /// How many seconds a lock of another process is waited for, at most. A transaction takes milliseconds.
  static let patience = 5

  /// Opens the ledger of a state directory, which is made (mode 0700) where it is missing. Blocks.
  static func open(stateDirectory: String) throws -> LedgerStore {
    let files = LedgerFiles(directory: stateDirectory)
    try files.makeDirectory()
    // Two processes must not both make a ledger, nor bring one up to date at the same time.
    let lock = try files.lock()
    defer { lock.release() }
    if try !files.isThere() { try make(files) }
    guard let identity = FileIdentity(path: files.ledger) else {
      throw LedgerFault.system(files.ledger, "can't be examined", errno)
    }
    let queue = try DatabaseQueue(path: files.ledger, configuration: configuration(writeAhead: true))
    try check(queue, path: files.ledger)
    try LedgerSchema.migrator.migrate(queue)
    return LedgerStore(path: files.ledger, queue: queue, identity: identity)
  }

  /// The ledger gets its name when it is complete, so that an empty or half-made file of that name is damage, and never taken
  /// for a ledger without charges.
  private static func make(_ files: LedgerFiles) throws {
    try files.createDraft()
    let queue = try DatabaseQueue(path: files.draft, configuration: configuration(writeAhead: false))
    try LedgerSchema.migrator.migrate(queue)
    try queue.close()
    try files.publishDraft()
  }

  private static func configuration(writeAhead: Bool) -> Configuration {
    var configuration = Configuration()
    configuration.label = "tollfs.ledger"
    // SQLite's own waiting backs off to 100 ms and starves the unlucky one of many processes; short random waits don't.
    // 5.5 ms on average.
    configuration.busyMode = .callback { tries in
      usleep(.random(in: 1_000...10_000))
      return tries < patience * 1_000_000 / 5_500
    }
    configuration.prepareDatabase { db in
      if writeAhead, try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL") != "wal" {
        throw DatabaseError(
          message: "write-ahead logging does not work here; the state directory must be on a local disk")
      }
      // FULL: with NORMAL a power loss forgets the last commits, which is money that was spent.
      try db.execute(sql: "PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON")
    }
    return configuration
  }

  private static func check(_ queue: DatabaseQueue, path: String) throws {
    try queue.unsafeRead { db in
      let findings = try String.fetchAll(db, sql: "PRAGMA quick_check(1)")
      guard findings == ["ok"] else {
        throw LedgerFault.damaged(path, "the ledger (\(findings.joined(separator: "; ")))")
      }
      guard try db.tableExists("grdb_migrations") else {
        throw LedgerFault.damaged(path, "the file holds no ledger, so it")
      }
      guard try !LedgerSchema.migrator.hasBeenSuperseded(db) else {
        throw BudgetFailure.ledger(
          reason: "\(path): the ledger was made by a newer version of tollfs; use that version, or a newer one")
      }
    }
  }

  /// Reads within one snapshot.
  func read<Value: Sendable>(
    _ body: @escaping @Sendable (Database) throws -> Value
  ) async throws(BudgetFailure) -> Value {
    try await transaction(.deferred, body)
  }

  /// Reads and writes within one transaction that keeps every other writer out from its beginning. What `body` throws undoes
  /// it all. When this returns, what was written is on the disk.
  func write<Value: Sendable>(
    _ body: @escaping @Sendable (Database) throws -> Value
  ) async throws(BudgetFailure) -> Value {
    try await transaction(.immediate, body)
  }

  /// Lets go of the file, once all calls before this one are done. Every later call fails.
  func close() async throws(BudgetFailure) {
    let result: Result<Void, BudgetFailure> = await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        let result = Result { try queue.close() }
        continuation.resume(returning: result.mapError { LedgerFault.failure($0, path: path) })
      }
    }
    try result.get()
  }

  private func transaction<Value: Sendable>(
    _ kind: Database.TransactionKind, _ body: @escaping @Sendable (Database) throws -> Value
  ) async throws(BudgetFailure) -> Value {
    let result: Result<Value, BudgetFailure> = await withCheckedContinuation { continuation in
      queue.asyncWriteWithoutTransaction { db in
        let result = Result<Value, any Error> {
          guard FileIdentity(path: path) == identity else {
            throw BudgetFailure.ledger(
              reason: "\(path): the ledger was removed or replaced while it was in use; unmount and mount again")
          }
          var value: Value?
          try db.inTransaction(kind) {
            value = try body(db)
            return .commit
          }
          guard let value else { throw BudgetFailure.ledger(reason: "\(path): the transaction did not run") }
          return value
        }
        continuation.resume(returning: result.mapError { LedgerFault.failure($0, path: path) })
      }
    }
    return try result.get()
  }
}
