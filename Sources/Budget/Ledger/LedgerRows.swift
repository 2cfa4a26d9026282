import Foundation
import GRDB
import Tasks

/// A row that no version of this program writes.
struct DamagedRow: Error {
  let table: String
  let id: Int64
}

// How events and purchases stand in the tables.

extension LedgerEvent {
  init(_ row: Row) throws {
    let id: Int64 = try row.decode(forColumn: "id")
    let damaged = DamagedRow(table: "events", id: id)
    guard let kind = Kind(rawValue: try row.decode(forColumn: "kind")) else { throw damaged }
    let bytes = ByteCount(try row.decode(Int64.self, forColumn: "bytes"))
    var estimate: Estimate?
    var owner: ProcessIdentity?
    if kind == .reserved {
      guard let basis = Estimate.Basis(rawValue: try row.decode(forColumn: "basis")) else { throw damaged }
      estimate = Estimate(bytes: bytes, basis: basis, evidence: try row.decode(forColumn: "evidence"))
      owner = try ProcessIdentity(row)
    }
    self.init(
      id: id, time: Date(milliseconds: try row.decode(forColumn: "time")), kind: kind,
      purchase: try row.decode(Int64?.self, forColumn: "purchase"), task: try row.task(or: damaged), bytes: bytes,
      amount: try row.dollars("micro_dollars"), requester: try Requester(row), path: try row.decode(forColumn: "path"),
      price: PricePerGigabyte(try row.dollars("price")), estimate: estimate,
      reason: try row.decode(forColumn: "reason"), owner: owner,
      clock: try row.decode(Int64?.self, forColumn: "clock").map(Date.init(milliseconds:)),
      episodes: try row.decode(forColumn: "episodes"), continues: try row.decode(forColumn: "continues"),
      isWhole: try row.decode(forColumn: "whole"))
  }

  /// Adds the event and returns it with its number.
  func inserted(into db: Database) throws -> LedgerEvent {
    try db.execute(
      sql: """
        INSERT INTO events (time, kind, purchase, source, task, bytes, micro_dollars, price, basis, evidence, uid, pid,
          command, path, reason, owner_pid, owner_start, owner_boot, owner_namespace, clock, episodes, continues, whole)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        time.milliseconds, kind.rawValue, purchase, task.source.text, task.description, bytes.bytes,
        amount.microDollars, price.dollars.microDollars, estimate?.basis.rawValue, estimate?.evidence, requester.userID,
        requester.processID, requester.command, path, reason, owner?.processID, owner?.startTime, owner?.bootID,
        owner?.namespace, clock?.milliseconds, episodes, continues, isWhole,
      ])
    var written = self
    written.id = db.lastInsertedRowID
    return written
  }
}

extension Purchase {
  init(_ row: Row) throws {
    let id: Int64 = try row.decode(forColumn: "id")
    let damaged = DamagedRow(table: "purchases", id: id)
    guard let state = State(rawValue: try row.decode(forColumn: "state")),
      let basis = Estimate.Basis(rawValue: try row.decode(forColumn: "basis"))
    else { throw damaged }
    let approval = try row.decode(Int64?.self, forColumn: "approval")
    self.init(
      id: id, time: Date(milliseconds: try row.decode(forColumn: "time")), task: try row.task(or: damaged),
      path: try row.decode(forColumn: "path"), requester: try Requester(row),
      price: PricePerGigabyte(try row.dollars("price")),
      estimate: Estimate(
        bytes: ByteCount(try row.decode(Int64.self, forColumn: "expected_bytes")), basis: basis,
        evidence: try row.decode(forColumn: "evidence")),
      reserved: try row.dollars("reserved"), state: state,
      changed: Date(milliseconds: try row.decode(forColumn: "changed")),
      bytes: ByteCount(try row.decode(Int64.self, forColumn: "bytes")), charge: try row.dollars("charge"),
      seen: ByteCount(try row.decode(Int64.self, forColumn: "seen")), reason: try row.decode(forColumn: "reason"),
      approval: approval.map(Dollars.init(microDollars:)), owner: try ProcessIdentity(row),
      episodes: try row.decode(forColumn: "episodes"), continues: try row.decode(forColumn: "continues"),
      isWhole: try row.decode(forColumn: "whole"))
  }

  func save(in db: Database) throws {
    try db.execute(
      sql: """
        INSERT OR REPLACE INTO purchases (id, time, source, task, path, uid, pid, command, price, expected_bytes, basis,
          evidence, reserved, state, changed, bytes, charge, seen, reason, approval, owner_pid, owner_start, owner_boot,
          owner_namespace, episodes, continues, whole)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        id, time.milliseconds, task.source.text, task.description, path, requester.userID, requester.processID,
        requester.command, price.dollars.microDollars, estimate.bytes.bytes, estimate.basis.rawValue, estimate.evidence,
        reserved.microDollars, state.rawValue, changed.milliseconds, bytes.bytes, charge.microDollars, seen.bytes,
        reason, approval?.microDollars, owner.processID, owner.startTime, owner.bootID, owner.namespace, episodes,
        continues, isWhole,
      ])
  }
}

extension ProcessIdentity {
  init(_ row: Row) throws {
    self.init(
      processID: try row.decode(forColumn: "owner_pid"), startTime: try row.decode(forColumn: "owner_start"),
      bootID: try row.decode(forColumn: "owner_boot"), namespace: try row.decode(forColumn: "owner_namespace"))
  }
}

extension Requester {
  init(_ row: Row) throws {
    self.init(
      userID: try row.decode(forColumn: "uid"), processID: try row.decode(forColumn: "pid"),
      command: try row.decode(forColumn: "command"))
  }
}

extension Row {
  /// The task of a row; the column holds the whole path.
  fileprivate func task(or damaged: DamagedRow) throws -> TaskPath {
    guard let task = TaskPath(parsing: try decode(forColumn: "task")) else { throw damaged }
    return task
  }

  fileprivate func dollars(_ column: String) throws -> Dollars {
    Dollars(microDollars: try decode(Int64.self, forColumn: column))
  }
}
