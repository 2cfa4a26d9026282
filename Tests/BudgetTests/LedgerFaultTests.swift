import Foundation
import GRDB
import Tasks
import TestSupport
import Testing

@testable import Budget

@Suite("A ledger that can't be used is never one without charges")
struct LedgerFaultTests {
  let directory: TemporaryDirectory
  private var file: String { directory.file("ledger.sqlite") }
  private let caps = BudgetCaps(total: .micro(1_000_000))

  init() throws {
    directory = try TemporaryDirectory("faults")
  }

  /// Why the ledger can't be opened, or nil when it can.
  private func fault() async throws -> String? {
    try await ledgerFault { try await Ledger(stateDirectory: directory.path).close() }
  }

  /// A ledger with some pages of purchases, closed.
  private func makeLedger() async throws {
    let ledger = try await Ledger(stateDirectory: directory.path)
    for number in 1...40 { _ = try await ledger.reserve(request("t\(number)", microDollars: 1), caps: caps) }
    try await ledger.close()
    #expect(!FileManager.default.fileExists(atPath: file + "-wal"))
    #expect(try await ledgerFault { _ = try await ledger.purchases() } != nil)
  }

  @Test("No directory to be had")
  func noDirectory() async throws {
    try Data("x".utf8).write(to: URL(fileURLWithPath: directory.file("plain")))
    for path in [directory.file("plain/state"), directory.file("plain"), "/proc/tollfs", "/proc/self"] {
      let reason = try await ledgerFault { _ = try await Ledger(stateDirectory: path) }
      #expect(reason?.hasPrefix(path) == true || reason?.hasPrefix(directory.file("plain")) == true, "\(path)")
    }
  }

  @Test("Empty, something else, or cut short")
  func damagedFiles() async throws {
    try await makeLedger()
    let whole = try Data(contentsOf: URL(fileURLWithPath: file))
    #expect(whole.count > 20_000)
    var scribbled = whole
    for offset in stride(from: 4_096, to: whole.count, by: 512) { scribbled[offset] ^= 0xff }
    let damaged = [Data(), Data("not a database, and longer than a header".utf8), whole.prefix(8_192), scribbled]
    for content in damaged {
      try content.write(to: URL(fileURLWithPath: file))
      let reason = try await fault()
      #expect(reason?.hasPrefix(file) == true && reason?.contains("is damaged") == true, "\(content.count) bytes")
    }
    try whole.write(to: URL(fileURLWithPath: file))
    #expect(try await fault() == nil)
  }

  @Test("Its log without the ledger")
  func logAlone() async throws {
    try Data("log".utf8).write(to: URL(fileURLWithPath: file + "-wal"))
    #expect(try await fault()?.contains("log is here without the ledger") == true)
  }

  @Test("Somebody else's database")
  func foreign() async throws {
    let queue = try DatabaseQueue(path: file)
    try await queue.write { db in try db.execute(sql: "CREATE TABLE notes (text TEXT)") }
    try queue.close()
    #expect(try await fault()?.contains("holds no ledger") == true)
  }

  @Test("Made by a newer version")
  func newer() async throws {
    try await makeLedger()
    let queue = try DatabaseQueue(path: file)
    try await queue.write { db in try db.execute(sql: "INSERT INTO grdb_migrations VALUES ('99: things to come')") }
    try queue.close()
    #expect(try await fault()?.contains("newer version") == true)
  }

  @Test("Half-made by a process that was killed: begun anew")
  func halfMade() async throws {
    try Data("half a ledger".utf8).write(to: URL(fileURLWithPath: file + ".new"))
    #expect(try await fault() == nil)
    #expect(!FileManager.default.fileExists(atPath: file + ".new"))
  }

  @Test("Removed or replaced while it is in use")
  func removed() async throws {
    let ledger = try await Ledger(stateDirectory: directory.path)
    _ = try await ledger.reserve(request("a", microDollars: 10), caps: caps)
    for suffix in ["", "-wal", "-shm"] { try FileManager.default.removeItem(atPath: file + suffix) }
    for _ in 1...2 {
      let reason = try await ledgerFault { _ = try await ledger.reserve(request("b", microDollars: 10), caps: caps) }
      #expect(reason?.contains("removed or replaced") == true)
      try await Ledger(stateDirectory: directory.path).close()
    }
  }

  @Test("Events can't be changed or removed, and tables that say something else are found out")
  func tampering() async throws {
    try await makeLedger()
    let ledger = try await Ledger(stateDirectory: directory.path)
    #expect(try await ledger.audit() == [])
    let queue = try DatabaseQueue(path: file)
    for statement in ["UPDATE events SET micro_dollars = 0", "DELETE FROM events"] {
      await #expect(throws: DatabaseError.self) { try await queue.write { db in try db.execute(sql: statement) } }
    }
    try await queue.write { db in try db.execute(sql: "UPDATE purchases SET charge = 0 WHERE id = 7") }
    #expect(try await ledger.audit() == ["purchase 7 is not what its events say"])
  }

  @Test("Locked by another process for too long")
  func locked() async throws {
    let ledger = try await Ledger(stateDirectory: directory.path)
    let holder = try await ChildProcess.start(
      "python3",
      [
        "-c",
        """
        import sqlite3, sys, time
        db = sqlite3.connect(sys.argv[1], isolation_level=None)
        db.execute('BEGIN IMMEDIATE')
        print('held', flush=True)
        time.sleep(600)
        """, file,
      ], timeout: 120)
    defer { holder.send(SIGKILL) }
    while holder.isRunning, !holder.outputSoFar.contains("held") { try await Task.sleep(for: .milliseconds(5)) }
    let reason = try await ledgerFault { _ = try await ledger.reserve(request("a", microDollars: 10), caps: caps) }
    #expect(reason?.contains("kept it locked") == true)
    // Reading goes on meanwhile, and so does writing once the other has ended.
    #expect(try await ledger.chargedSoFar(for: task("a")) == .zero)
    holder.send(SIGKILL)
    _ = await holder.outcome()
    _ = try await ledger.reserve(request("a", microDollars: 10), caps: caps)
  }

  @Test("A disk without room: nothing is reserved, and nothing lost")
  func diskFull() async throws {
    let path = directory.path
    await #expect(processExitsWith: .success) { [path = path as String] in try await reserveOnFullDisk(path) }
    let ledger = try await Ledger(stateDirectory: path)
    #expect(try await ledger.purchases().map(\.task.id) == ["a", "c"])
  }
}

/// No file of this process may grow beyond so many bytes, nil for no limit: the kernel then answers as a full disk does, with a
/// short write.
private func limitFiles(to size: Int?) {
  signal(SIGXFSZ, SIG_IGN)
  var limit = rlimit()
  #expect(getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
  limit.rlim_cur = size.map { rlim_t($0) } ?? limit.rlim_max
  #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
}

private func reserveOnFullDisk(_ path: String) async throws {
  let ledger = try await Ledger(stateDirectory: path)
  let caps = BudgetCaps(total: .micro(1_000))
  _ = try await ledger.reserve(request("a", microDollars: 10), caps: caps)
  let size = try FileManager.default.attributesOfItem(atPath: path + "/ledger.sqlite-wal")[.size] as? Int
  limitFiles(to: try #require(size) + 100)
  for _ in 1...3 {
    let reason = try await ledgerFault { _ = try await ledger.reserve(request("b", microDollars: 10), caps: caps) }
    #expect(reason?.hasPrefix(path + "/ledger.sqlite") == true)
    #expect(try await ledgerFault { try await ledger.release(1, reason: "") } != nil)
    // How the budget stands can still be read.
    #expect(try await ledger.summary(caps: caps).windows.first?.reserved == .micro(10))
  }
  limitFiles(to: nil)
  _ = try await ledger.reserve(request("c", microDollars: 10), caps: caps)
  #expect(try await ledger.audit() == [])
}
