import Foundation
import GRDB
import Tasks
import TestSupport
import Testing

@testable import Budget

@Suite("Ledgers of earlier versions")
struct LedgerMigrationTests {
  /// What the first version wrote: one purchase in each state, one that used an approval, and an open approval.
  private static let firstRows = """
    INSERT INTO events (time, kind, purchase, source, task, bytes, micro_dollars, price, basis, evidence, uid, pid, command,
      path, reason, owner_pid, owner_start, owner_boot, owner_namespace) VALUES
      (1000, 'reserved', 1, 's', 's/a', 500, 5, 10000000, 'assumed', 'assume_unknown', 1, 2, 'cat', 's/a/results', '', 9, 1, 'x', 'n'),
      (2000, 'settled', 1, 's', 's/a', 300, 3, 10000000, NULL, NULL, 1, 2, 'cat', 's/a/results', '', NULL, NULL, NULL, NULL),
      (3000, 'approved', NULL, 's', 's/b', 0, 99, 0, NULL, NULL, 1, 3, 'tollfs', 's/b', '', NULL, NULL, NULL, NULL),
      (4000, 'reserved', 2, 's', 's/b', 500, 5, 10000000, 'exact', 'x', 1, 2, 'cat', 's/b', '', 9, 1, 'x', 'n'),
      (4000, 'approval_used', 2, 's', 's/b', 500, 99, 10000000, NULL, NULL, 1, 2, 'cat', 's/b', '', NULL, NULL, NULL, NULL),
      (5000, 'overrun', 2, 's', 's/b', 900, 9, 10000000, NULL, NULL, 1, 2, 'cat', 's/b', '', NULL, NULL, NULL, NULL),
      (6000, 'unsettled', 2, 's', 's/b', 900, 9, 10000000, NULL, NULL, 1, 2, 'cat', 's/b', 'broke', NULL, NULL, NULL, NULL),
      (7000, 'reserved', 3, 's', 's/c', 100, 1, 10000000, 'exact', 'x', 1, 2, 'cat', 's/c', '', 9, 1, 'x', 'n'),
      (8000, 'released', 3, 's', 's/c', 0, 0, 10000000, NULL, NULL, 1, 2, 'cat', 's/c', 'no', NULL, NULL, NULL, NULL),
      (9000, 'approved', NULL, 's', 's/c', 0, 77, 0, NULL, NULL, 1, 3, 'tollfs', 's/c', '', NULL, NULL, NULL, NULL);
    INSERT INTO purchases (id, time, source, task, path, uid, pid, command, price, expected_bytes, basis, evidence, reserved,
      state, changed, bytes, charge, seen, reason, approval, owner_pid, owner_start, owner_boot, owner_namespace) VALUES
      (1, 1000, 's', 's/a', 's/a/results', 1, 2, 'cat', 10000000, 500, 'assumed', 'assume_unknown', 5,
        'settled', 2000, 300, 3, 300, '', NULL, 9, 1, 'x', 'n'),
      (2, 4000, 's', 's/b', 's/b', 1, 2, 'cat', 10000000, 500, 'exact', 'x', 5,
        'unsettled', 6000, 900, 9, 900, 'broke', 99, 9, 1, 'x', 'n'),
      (3, 7000, 's', 's/c', 's/c', 1, 2, 'cat', 10000000, 100, 'exact', 'x', 1,
        'released', 8000, 0, 0, 0, 'no', NULL, 9, 1, 'x', 'n');
    INSERT INTO approvals VALUES ('s/c', 77);
    """

  private func makeFirstVersion(_ path: String, rows: Bool = true) async throws {
    let queue = try DatabaseQueue(path: path)
    try LedgerSchema.migrator.migrate(queue, upTo: LedgerSchema.firstVersion)
    if rows { try await queue.write { db in try db.execute(sql: Self.firstRows) } }
    try queue.close()
  }

  @Test("The first version's ledger is whole, counts the same, and goes on")
  func first() async throws {
    let directory = try TemporaryDirectory("migration")
    try await makeFirstVersion(directory.file("ledger.sqlite"))
    let ledger = try await Ledger(stateDirectory: directory.path, clock: HandClock(), timeZone: zone("UTC"))
    #expect(try await ledger.audit() == [])
    let purchases = try await ledger.purchases()
    #expect(purchases.map(\.charge) == [.micro(3), .micro(9), .zero])
    #expect(purchases.map(\.state) == [.settled, .unsettled, .released])
    #expect(purchases.allSatisfy { $0.episodes == nil && $0.continues == nil && $0.isWhole })
    #expect(try await ledger.events().allSatisfy { $0.clock == nil })
    #expect(try await ledger.events().count == 10)
    let caps = BudgetCaps(total: .micro(112))
    #expect(try await ledger.summary(caps: caps).approvals.map(\.upTo) == [.micro(77)])
    #expect(try await ledger.estimate(for: task("s/a"), knownSize: nil, caps: caps).bytes == ByteCount(300))
    #expect(try await refusal { _ = try await ledger.reserve(request("a", microDollars: 101), caps: caps) } != nil)
    let next = try await ledger.reserve(request("a", microDollars: 100), caps: caps)
    #expect(next.id == 4)
    _ = try await ledger.correct(2, cost: .micro(1), bytes: nil, by: reader)
    #expect(try await ledger.audit() == [])
    try await ledger.close()
    #expect(try await Ledger(stateDirectory: directory.path).purchases().count == 4)
  }

  @Test("A mount of the first version that is running meanwhile can still write")
  func running() async throws {
    let directory = try TemporaryDirectory("running")
    let path = directory.file("ledger.sqlite")
    try await makeFirstVersion(path, rows: false)
    let old = try DatabaseQueue(path: path)
    let ledger = try await Ledger(stateDirectory: directory.path, clock: HandClock(), timeZone: zone("UTC"))
    try await old.write { db in try db.execute(sql: Self.firstRows) }
    #expect(try await ledger.audit() == [])
    #expect(try await ledger.purchases().count == 3)
  }

  @Test("The tables of the first version are what they were when it was released")
  func unchanged() async throws {
    let directory = try TemporaryDirectory("schema")
    let path = directory.file("ledger.sqlite")
    try await makeFirstVersion(path)
    let queue = try DatabaseQueue(path: path)
    let tables = try await queue.read { db in
      try String.fetchAll(
        db,
        sql: "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND tbl_name NOT LIKE 'grdb%' ORDER BY name"
      ).joined()
    }
    // FNV-1a of all definitions; a change needs a new migration, not a new number.
    let sum = tables.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    #expect(sum == 18_000_679_408_021_308_860)
  }
}
