import Foundation
import GRDB
import Logging
import Tasks

/// The one truth about money: what has been reserved, charged and let through, in `ledger.sqlite` of the state directory.
///
/// Any number of processes may have the same ledger open. A check against the caps and the reservation that it allows are one
/// transaction, so two of them can't both take the last dollar; a call returns when what it wrote is on the disk.
/// Nothing here is cancelled with the task that calls it.
public final class Ledger: Sendable {
  let store: LedgerStore
  let clock: any BudgetClock
  let timeZone: TimeZone
  let logger: Logger
  let owner: ProcessIdentity
  private let isGone: @Sendable (ProcessIdentity, ProcessIdentity) -> Bool

  /// Opens the ledger, and makes it where there is none: the directory with mode 0700, the file with 0600. Reservations of
  /// processes that have ended become unsettled.
  /// - Parameters:
  ///   - clock: tells the time of every event.
  ///   - timeZone: where a day and a month begin.
  /// - Throws: ``BudgetFailure/ledger(reason:)`` when it can't be read or written, is damaged, or is of a newer version.
  public convenience init(
    stateDirectory: String, clock: any BudgetClock = SystemClock(), timeZone: TimeZone = .current,
    logger: Logger = Logger(label: "tollfs.ledger")
  ) async throws(BudgetFailure) {
    try await self.init(
      stateDirectory: stateDirectory, clock: clock, timeZone: timeZone, logger: logger, owner: nil,
      isGone: { $0.isGone(seenFrom: $1) })
  }

  /// - Parameters:
  ///   - owner: whose reservations these are; nil for this process.
  ///   - isGone: whether the first process has ended, as the second sees it.
  init(
    stateDirectory: String, clock: any BudgetClock, timeZone: TimeZone, logger: Logger, owner: ProcessIdentity?,
    isGone: @escaping @Sendable (ProcessIdentity, ProcessIdentity) -> Bool
  ) async throws(BudgetFailure) {
    self.clock = clock
    self.timeZone = timeZone
    self.logger = logger
    self.isGone = isGone
    // Opening blocks, for seconds when another process is slow: not on the cooperative pool.
    let opened: Result<(LedgerStore, ProcessIdentity), BudgetFailure> = await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        let result = Result { (try LedgerStore.open(stateDirectory: stateDirectory), owner ?? .current()) }
        continuation.resume(
          returning: result.mapError { LedgerFault.failure($0, path: stateDirectory + "/ledger.sqlite") })
      }
    }
    (store, self.owner) = try opened.get()
    try await markOrphans()
  }

  /// Lets go of the file when all calls before this one are done; every later call fails. Not needed for safety: what was
  /// written is on the disk already.
  public func close() async throws(BudgetFailure) {
    try await store.close()
  }

  /// How large the download of a task is going to be, as far as that can be known.
  /// - Parameters:
  ///   - knownSize: the sum of the original sizes, where the cache's index has the complete listing.
  ///   - caps: for ``BudgetCaps/assumeUnknown``.
  public func estimate(
    for task: TaskPath, knownSize: ByteCount?, caps: BudgetCaps?
  ) async throws(BudgetFailure) -> Estimate {
    let timeZone = timeZone
    return try await store.read { db in
      var knowledge = try LedgerQueries.sizeKnowledge(of: task, timeZone, in: db)
      knowledge.indexedSize = knownSize
      if let caps { knowledge.assumeUnknown = caps.assumeUnknown }
      return knowledge.estimate()
    }
  }

  /// What the caps say of a purchase, without reserving anything. The same question may have another answer a moment later.
  public func quote(_ request: PurchaseRequest, caps: BudgetCaps?) async throws(BudgetFailure) -> Quote {
    let (clock, timeZone) = (clock, timeZone)
    let standing = try await store.read { db in
      let now = try LedgerQueries.now(clock, in: db)
      return try LedgerQueries.standing(of: request.task, at: now, timeZone, in: db)
    }
    return Quote(request, BudgetPolicy(caps: caps), standing)
  }

  /// Puts the expected cost of a purchase aside. Only when this has returned may the request leave the machine.
  ///
  /// A free source needs no reservation, and gets one of nothing even without a budget.
  /// - Throws: ``BudgetFailure/refused(_:)`` when a cap would be exceeded; nothing is written then.
  public func reserve(_ request: PurchaseRequest, caps: BudgetCaps?) async throws(BudgetFailure) -> Reservation {
    let (clock, timeZone, owner) = (clock, timeZone, owner)
    let policy = BudgetPolicy(caps: caps)
    let reservation = try await store.write { db in
      let now = try LedgerQueries.now(clock, in: db)
      let standing = try LedgerQueries.standing(of: request.task, at: now, timeZone, in: db)
      let approval: Dollars?
      switch policy.verdict(on: request, standing) {
      case .refused(let refusal): throw BudgetFailure.refused(refusal)
      case .allowed(let needed): approval = needed
      }
      let id = try LedgerQueries.nextPurchase(in: db)
      let event = LedgerEvent(
        id: 0, time: now, kind: .reserved, purchase: id, task: request.task, bytes: request.expected.bytes,
        amount: request.cost, requester: request.requester, path: request.path, price: request.price,
        estimate: request.expected, reason: "", owner: owner)
      try event.append(to: db)
      if let approval {
        let used = LedgerEvent(
          .approvalUsed, of: try Purchase(event), at: now, bytes: request.expected.bytes, amount: approval)
        try used.append(to: db)
      }
      return Reservation(id: id, cost: request.cost, task: request.task, bytes: request.expected.bytes)
    }
    logger.debug("reserved", metadata: ["purchase": "\(reservation.id)", "cost": "\(reservation.cost)"])
    return reservation
  }

  /// The download is complete and its cost known: the sum of the original sizes. From now on this counts and nothing else.
  ///
  /// Settling the same purchase again with the same numbers does nothing.
  /// - Throws: ``BudgetFailure/ledger(reason:)``, also for a purchase that is released or settled with other numbers.
  public func settle(_ id: Int64, bytes: ByteCount, cost: Dollars) async throws(BudgetFailure) {
    try await follow(id, "settled") { purchase, now in
      guard purchase.state != .settled || purchase.bytes != bytes || purchase.charge != cost else { return nil }
      return LedgerEvent(.settled, of: purchase, at: now, bytes: bytes, amount: cost)
    }
  }

  /// Nothing was charged: the request never left, or the API answered with an error instead of results. An approval that the
  /// purchase had used up is open again.
  public func release(_ id: Int64, reason: String) async throws(BudgetFailure) {
    try await follow(id, "released") { purchase, now in
      guard purchase.state != .released else { return nil }
      return LedgerEvent(.released, of: purchase, at: now, bytes: .zero, amount: .zero, reason: reason)
    }
  }

  /// The download ended and nobody knows what is charged for it: the reservation counts as spent, or what was seen if that is more.
  public func leaveUnsettled(
    _ id: Int64, bytesSeen: ByteCount, costSeen: Dollars, reason: String
  ) async throws(BudgetFailure) {
    try await follow(id, "left unsettled") { purchase, now in
      LedgerEvent(.unsettled, of: purchase, at: now, bytes: bytesSeen, amount: costSeen, reason: reason)
    }
  }

  /// The stream is larger than what was reserved and still running: the purchase counts with what it has cost so far. Less
  /// than what counts already changes nothing.
  public func recordOverrun(_ id: Int64, bytesSoFar: ByteCount, costSoFar: Dollars) async throws(BudgetFailure) {
    try await follow(id, "overrun") { purchase, now in
      guard costSoFar > purchase.charge || bytesSoFar > purchase.bytes else { return nil }
      return LedgerEvent(.overrun, of: purchase, at: now, bytes: bytesSoFar, amount: costSoFar)
    }
  }

  /// Lets the next purchase of a task that the caps would refuse through, once, if it costs `upTo` or less, past every cap but
  /// `total`. It takes the place of an open approval of the same task.
  public func approve(_ task: TaskPath, upTo amount: Dollars, by requester: Requester) async throws(BudgetFailure) {
    let clock = clock
    try await store.write { db in
      let now = try LedgerQueries.now(clock, in: db)
      let event = LedgerEvent(
        id: 0, time: now, kind: .approved, purchase: nil, task: task, bytes: .zero, amount: amount,
        requester: requester, path: task.description, price: .free, estimate: nil, reason: "", owner: nil)
      try event.append(to: db)
    }
  }

  /// Adds the event that `body` makes of the purchase's present state; nil adds nothing.
  private func follow(
    _ id: Int64, _ step: String, _ body: @escaping @Sendable (Purchase, Date) throws -> LedgerEvent?
  ) async throws(BudgetFailure) {
    let clock = clock
    try await store.write { db in
      guard let purchase = try LedgerQueries.purchase(id, in: db) else {
        throw ImpossibleEvent(reason: "there is no purchase \(id)")
      }
      let event = try body(purchase, try LedgerQueries.now(clock, in: db))
      try event?.append(to: db)
    }
    logger.debug("purchase changed", metadata: ["purchase": "\(id)", "step": "\(step)"])
  }

  /// Makes every reservation whose process has ended unsettled. It counts as before: a crash may have come after the charge.
  func markOrphans() async throws(BudgetFailure) {
    let (clock, owner, isGone) = (clock, owner, isGone)
    // Looked at before the transaction that writes: nobody is kept waiting by /proc, and a process that has ended never
    // comes back.
    let orphans = try await store.read { db in
      let open = try LedgerQueries.openPurchases(in: db)
      return Set(open.filter { $0.owner != owner && isGone($0.owner, owner) }.map(\.id))
    }
    guard !orphans.isEmpty else { return }
    try await store.write { db in
      let now = try LedgerQueries.now(clock, in: db)
      for purchase in try LedgerQueries.openPurchases(in: db) where orphans.contains(purchase.id) {
        let reason = "process \(purchase.owner.processID), which made the purchase, ended without settling it"
        let event = LedgerEvent(
          .unsettled, of: purchase, at: now, bytes: purchase.seen, amount: purchase.charge, reason: reason)
        try event.append(to: db)
      }
    }
    logger.notice("reservations of ended processes left unsettled", metadata: ["count": "\(orphans.count)"])
  }
}
