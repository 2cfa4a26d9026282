import Foundation
import GRDB
import Tasks

// What the ledger says of itself. Reservations of processes that have ended are found first.

extension Ledger {
  /// How each cap stands.
  public func summary(caps: BudgetCaps?) async throws(BudgetFailure) -> BudgetSummary {
    await findOrphans()
    let timekeeper = timekeeper
    return try await store.read { db in
      let time = try LedgerQueries.time(timekeeper, in: db)
      let approvals = try LedgerQueries.approvals(in: db).sorted { $0.key < $1.key }
      let dearest = try LedgerQueries.dearestTask(in: db)
      return BudgetSummary(
        now: time.now, timeZone: time.timeZone, doubt: time.doubt, isConfigured: caps?.limitsAnything ?? false,
        windows: try Self.windows(
          caps, BudgetWindows(at: time.now, timeZone: time.timeZone), dearest: dearest?.task, in: db),
        dearestTask: dearest,
        unsettled: try LedgerQueries.charged(state: .unsettled, in: db),
        assumeUnknown: caps?.assumeUnknown ?? BudgetCaps.defaultAssumption,
        approvals: approvals.map { BudgetSummary.Approval(task: $0.key, upTo: $0.value) })
    }
  }

  /// One row a purchase with its present state, oldest first.
  /// - Parameters:
  ///   - id: only purchases after this one; 0 for all.
  ///   - limit: at most so many. Long ledgers are read piece by piece: see ``forEachPurchase(_:)``.
  public func purchases(after id: Int64 = 0, limit: Int = .max) async throws(BudgetFailure) -> [Purchase] {
    if id == 0 { await findOrphans() }
    return try await store.read { db in try LedgerQueries.purchases(after: id, limit: limit, in: db) }
  }

  /// So many rows are in memory at once, and for so long nothing else can be written: some milliseconds.
  private static let pieceLength = 1_000

  /// Goes through all purchases, oldest first, without holding them all in memory or keeping others from the ledger meanwhile.
  public func forEachPurchase(_ body: (Purchase) -> Void) async throws(BudgetFailure) {
    var last: Int64 = 0
    while true {
      let piece = try await purchases(after: last, limit: Self.pieceLength)
      piece.forEach(body)
      guard let end = piece.last, piece.count == Self.pieceLength else { return }
      last = end.id
    }
  }

  /// Goes through all events in the same way.
  public func forEachEvent(_ body: (LedgerEvent) -> Void) async throws(BudgetFailure) {
    var last: Int64 = 0
    while true {
      let piece = try await events(after: last, limit: Self.pieceLength)
      piece.forEach(body)
      guard let end = piece.last, piece.count == Self.pieceLength else { return }
      last = end.id
    }
  }

  /// What happened, oldest first.
  /// - Parameters:
  ///   - id: only events after this one; 0 for all.
  ///   - limit: at most so many.
  public func events(after id: Int64 = 0, limit: Int = .max) async throws(BudgetFailure) -> [LedgerEvent] {
    try await store.read { db in
      try Row.fetchAll(
        db, sql: "SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?", arguments: [id, max(0, limit)]
      ).map(LedgerEvent.init)
    }
  }

  /// What all purchases of a task have cost so far, reserved and unsettled ones included.
  public func chargedSoFar(for task: TaskPath) async throws(BudgetFailure) -> Dollars {
    try await store.read { db in try LedgerQueries.charged(task: task, in: db) }
  }

  /// Replays all events and compares the outcome with the tables that follow from them.
  /// - Returns: what differs, one line each; nothing when the ledger is whole.
  public func audit() async throws(BudgetFailure) -> [String] {
    try await store.read { db in
      var replayed = LedgerBook()
      let events = try Row.fetchCursor(db, sql: "SELECT * FROM events ORDER BY id")
      while let row = try events.next() { try replayed.apply(try LedgerEvent(row)) }
      var kept = LedgerBook(approvals: try LedgerQueries.approvals(in: db))
      for purchase in try LedgerQueries.purchases(after: 0, limit: .max, in: db) {
        kept.purchases[purchase.id] = purchase
      }
      let numbers = Set(replayed.purchases.keys).union(kept.purchases.keys).sorted()
      var findings = numbers.filter { replayed.purchases[$0] != kept.purchases[$0] }
        .map { "purchase \($0) is not what its events say" }
      if replayed.approvals != kept.approvals { findings.append("the open approvals are not what the events say") }
      return findings
    }
  }

  /// A full disk must not hide how the budget stands, and the sums are the same before and after.
  func findOrphans() async {
    do {
      try await markOrphans()
    } catch {
      logger.warning("reservations of ended processes not marked", metadata: ["reason": "\(error)"])
    }
  }

  private static func windows(
    _ caps: BudgetCaps?, _ windows: BudgetWindows, dearest: TaskPath?, in db: Database
  ) throws -> [BudgetSummary.Window] {
    try BudgetCap.allCases.map { cap in
      let limit = caps?.limit(of: cap)
      let window = windows.interval(of: cap)
      var (charged, reserved) = (Dollars.zero, Dollars.zero)
      switch cap {
      case .total, .monthly, .daily:
        charged = try LedgerQueries.charged(since: window?.start, in: db)
        reserved = try LedgerQueries.charged(since: window?.start, state: .reserved, in: db)
      case .perTask:
        guard let dearest else { break }
        charged = try LedgerQueries.charged(task: dearest, in: db)
        reserved = try LedgerQueries.charged(task: dearest, state: .reserved, in: db)
      case .perOpen: break
      }
      return BudgetSummary.Window(
        cap: cap, limit: limit, spent: charged - reserved, reserved: reserved, left: limit.map { $0 - charged },
        resetsAt: window?.end)
    }
  }
}

extension LedgerQueries {
  fileprivate static func dearestTask(in db: Database) throws -> BudgetSummary.DearestTask? {
    let text = try String.fetchOne(
      db,
      sql: """
        SELECT task FROM purchases GROUP BY task
        ORDER BY SUM(charge / 1000000) + SUM(charge % 1000000) / 1000000 DESC, SUM(charge % 1000000) % 1000000 DESC, task
        LIMIT 1
        """)
    guard let text, let task = TaskPath(parsing: text) else { return nil }
    let charged = try charged(task: task, in: db)
    return charged > .zero ? BudgetSummary.DearestTask(task: task, charged: charged) : nil
  }
}
