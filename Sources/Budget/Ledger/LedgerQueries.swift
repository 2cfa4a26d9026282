import Foundation
import GRDB
import Tasks

// What the ledger asks of its tables, inside a transaction that somebody else opened.

extension LedgerEvent {
  /// Adds the event, and brings the tables that follow from events up to date by the rules of ``LedgerBook``.
  /// - Throws: ``ImpossibleEvent`` when it can't follow on what is there; the transaction must then be rolled back.
  func append(to db: Database) throws {
    let event = try inserted(into: db)
    var book = LedgerBook()
    if let id = event.purchase { book.purchases[id] = try LedgerQueries.purchase(id, in: db) }
    let approval = try LedgerQueries.approval(of: event.task, in: db)
    book.approvals[event.task] = approval
    try book.apply(event)
    for purchase in book.purchases.values { try purchase.save(in: db) }
    guard book.approvals[event.task] != approval else { return }
    try db.execute(sql: "DELETE FROM approvals WHERE task = ?", arguments: [event.task.description])
    guard let amount = book.approvals[event.task] else { return }
    try db.execute(
      sql: "INSERT INTO approvals (task, micro_dollars) VALUES (?, ?)",
      arguments: [event.task.description, amount.microDollars])
  }
}

enum LedgerQueries {
  /// The present moment, as far as it can be believed.
  static func time(_ timekeeper: Timekeeper, in db: Database) throws -> LedgerTime {
    let last = try Int64.fetchOne(db, sql: "SELECT time FROM events ORDER BY id DESC LIMIT 1")
    return timekeeper.time(after: last.map(Date.init(milliseconds:)))
  }

  static func nextPurchase(in db: Database) throws -> Int64 {
    try Int64.fetchOne(db, sql: "SELECT COALESCE(MAX(id), 0) + 1 FROM purchases") ?? 1
  }

  static func purchase(_ id: Int64, in db: Database) throws -> Purchase? {
    try Row.fetchOne(db, sql: "SELECT * FROM purchases WHERE id = ?", arguments: [id]).map(Purchase.init)
  }

  static func purchases(after id: Int64, limit: Int, in db: Database) throws -> [Purchase] {
    try Row.fetchAll(
      db, sql: "SELECT * FROM purchases WHERE id > ? ORDER BY id LIMIT ?", arguments: [id, max(0, limit)]
    ).map(Purchase.init)
  }

  static func openPurchases(in db: Database) throws -> [Purchase] {
    try Row.fetchAll(db, sql: "SELECT * FROM purchases WHERE state = 'reserved' ORDER BY id").map(Purchase.init)
  }

  static func approval(of task: TaskPath, in db: Database) throws -> Dollars? {
    let amount = try Int64.fetchOne(
      db, sql: "SELECT micro_dollars FROM approvals WHERE task = ?", arguments: [task.description])
    return amount.map(Dollars.init(microDollars:))
  }

  static func approvals(in db: Database) throws -> [TaskPath: Dollars] {
    var found: [TaskPath: Dollars] = [:]
    for row in try Row.fetchAll(db, sql: "SELECT rowid AS id, task, micro_dollars FROM approvals") {
      guard let task = TaskPath(parsing: try row.decode(forColumn: "task")) else {
        throw DamagedRow(table: "approvals", id: try row.decode(forColumn: "id"))
      }
      found[task] = Dollars(microDollars: try row.decode(forColumn: "micro_dollars"))
    }
    return found
  }

  /// The sum of charges. Dollars and micro-dollars are added up apart, since SQLite gives up on a sum beyond 2^63-1 and a
  /// single absurd charge must not make the whole ledger unreadable.
  static func charged(
    since start: Date? = nil, until end: Date? = nil, task: TaskPath? = nil, state: Purchase.State? = nil,
    in db: Database
  ) throws -> Dollars {
    var conditions: [String] = []
    var arguments = StatementArguments()
    if let start {
      conditions.append("time >= ?")
      arguments += [start.milliseconds]
    }
    if let end {
      conditions.append("time < ?")
      arguments += [end.milliseconds]
    }
    if let task {
      conditions.append("task = ?")
      arguments += [task.description]
    }
    if let state {
      conditions.append("state = ?")
      arguments += [state.rawValue]
    }
    return try charged(conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND "), arguments, in: db)
  }

  private static func charged(
    _ condition: String, _ arguments: StatementArguments, in db: Database
  ) throws -> Dollars {
    let sums = try Row.fetchOne(
      db,
      sql: """
        SELECT COALESCE(SUM(charge / 1000000), 0) AS whole, COALESCE(SUM(charge % 1000000), 0) AS micro
        FROM purchases \(condition)
        """, arguments: arguments)
    guard let sums else { return .zero }
    let whole: Int64 = try sums.decode(forColumn: "whole")
    let (scaled, overflow) = whole.multipliedReportingOverflow(by: 1_000_000)
    return Dollars(microDollars: overflow ? .max : scaled)
      + Dollars(microDollars: try sums.decode(forColumn: "micro"))
  }

  /// - Parameter open: the first purchase of the open that is to be continued; nil for a new open.
  static func standing(
    of task: TaskPath, continuing open: Int64? = nil, at time: LedgerTime, in db: Database
  ) throws -> BudgetStanding {
    let windows = BudgetWindows(at: time.now, timeZone: time.timeZone)
    // In three parts that don't overlap, so that a long ledger is gone through once.
    let day = try charged(since: windows.day.start, in: db)
    let month = try day + charged(since: windows.month.start, until: windows.day.start, in: db)
    var standing = BudgetStanding(
      total: try month + charged(until: windows.month.start, in: db), month: month, day: day,
      task: try charged(task: task, in: db), approval: try approval(of: task, in: db), windows: windows,
      doubt: time.doubt)
    guard let open else { return standing }
    standing.open = try charged("WHERE id = ? OR continues = ?", [open, open], in: db)
    standing.openApproval = try Int64.fetchOne(
      db, sql: "SELECT MAX(approval) FROM purchases WHERE id = ? OR continues = ?", arguments: [open, open]
    ).map(Dollars.init(microDollars:))
    return standing
  }

  /// How many of a source's latest downloads an estimate learns from: enough for a 95th percentile, and what a source was
  /// used for last year says little about today.
  static let historyLength = 1_000

  static func sizeKnowledge(of task: TaskPath, _ timeZone: TimeZone, in db: Database) throws -> SizeKnowledge {
    var knowledge = SizeKnowledge()
    let own = try Row.fetchOne(
      db,
      sql: """
        SELECT bytes, time FROM purchases WHERE task = ? AND state = 'settled' AND whole = 1 AND bytes > 0
        ORDER BY bytes DESC, time DESC LIMIT 1
        """, arguments: [task.description])
    if let own {
      let day = Date(milliseconds: try own.decode(forColumn: "time"))
      knowledge.ownDownload = (
        ByteCount(try own.decode(Int64.self, forColumn: "bytes")), DateText.day(day, in: timeZone)
      )
    }
    let arrived = try Int64.fetchOne(
      db, sql: "SELECT COALESCE(MAX(seen), 0) FROM purchases WHERE task = ? AND state != 'released'",
      arguments: [task.description])
    knowledge.arrivedBefore = ByteCount(arrived ?? 0)
    knowledge.history = try Row.fetchAll(
      db,
      sql: """
        SELECT bytes, episodes FROM purchases WHERE source = ? AND state = 'settled' AND whole = 1 AND bytes > 0
        ORDER BY id DESC LIMIT ?
        """, arguments: [task.source.text, historyLength]
    ).map { row in
      SizeKnowledge.Past(
        bytes: ByteCount(try row.decode(Int64.self, forColumn: "bytes")),
        episodes: try row.decode(forColumn: "episodes"))
    }
    return knowledge
  }
}
