import Foundation
import GRDB
import Tasks

// The way of a purchase: reserved, perhaps extended, then settled, released or left unsettled.

extension Ledger {
  /// Puts the expected cost of a purchase aside. Only when this has returned may the request leave the machine.
  ///
  /// A free source needs no reservation, and gets one of nothing even without a budget.
  /// - Throws: ``BudgetFailure/refused(_:)`` when a cap would be exceeded; nothing is written then.
  public func reserve(_ request: PurchaseRequest, caps: BudgetCaps?) async throws(BudgetFailure) -> Reservation {
    let (timekeeper, owner) = (timekeeper, owner)
    let reservation = try await store.write { db in
      let time = try LedgerQueries.time(timekeeper, in: db)
      return try LedgerQueries.reserve(request, caps, at: time, owner: owner, in: db)
    }
    logger.debug("reserved", metadata: ["purchase": "\(reservation.id)", "cost": "\(reservation.cost)"])
    return reservation
  }

  /// Puts more aside for an open that turns out to need more than it has reserved, such as read-ahead of a package that is read
  /// by ranges. In one transaction with the check against every cap.
  ///
  /// It is another purchase with a row and a time of its own, to be settled or released by itself: so it counts in the day in
  /// which it was made, also when the open is older than that. Against `per_open`, and against the amount of an approval that
  /// let the open through, all purchases of the open count together.
  /// - Parameters:
  ///   - reservation: any of the open's; its purchase need not be open any more.
  ///   - expected: how much is to come in addition.
  /// - Throws: ``BudgetFailure/refused(_:)`` when a cap would be exceeded; what was reserved before stays as it is.
  public func extend(
    _ reservation: Reservation, by expected: Estimate, caps: BudgetCaps?
  ) async throws(BudgetFailure) -> Reservation {
    let (timekeeper, owner) = (timekeeper, owner)
    let further = try await store.write { db in
      guard let first = try LedgerQueries.purchase(reservation.open, in: db), first.task == reservation.task else {
        throw ImpossibleEvent(reason: "there is no purchase \(reservation.open) of \(reservation.task)")
      }
      let request = PurchaseRequest(
        task: first.task, path: first.path, price: first.price, requester: first.requester, expected: expected,
        isWhole: false)
      let time = try LedgerQueries.time(timekeeper, in: db)
      return try LedgerQueries.reserve(request, caps, continuing: first.id, at: time, owner: owner, in: db)
    }
    logger.debug("extended", metadata: ["purchase": "\(further.id)", "cost": "\(further.cost)"])
    return further
  }

  /// The download is complete and its cost known: the sum of the original sizes. From now on this counts and nothing else.
  ///
  /// Settling the same purchase again with the same numbers does nothing.
  /// - Throws: ``BudgetFailure/ledger(reason:)``, also for a purchase that is released or settled with other numbers.
  public func settle(_ id: Int64, bytes: ByteCount, cost: Dollars) async throws(BudgetFailure) {
    try await follow(id, "settled") { purchase, time in
      guard purchase.state != .settled || purchase.bytes != bytes || purchase.charge != cost else { return nil }
      return LedgerEvent(.settled, of: purchase, at: time, bytes: bytes, amount: cost)
    }
  }

  /// Nothing was charged: the request never left, or the API answered with an error instead of results. An approval that the
  /// purchase had used up is open again.
  public func release(_ id: Int64, reason: String) async throws(BudgetFailure) {
    try await follow(id, "released") { purchase, time in
      guard purchase.state != .released else { return nil }
      return LedgerEvent(.released, of: purchase, at: time, bytes: .zero, amount: .zero, reason: reason)
    }
  }

  /// The download ended and nobody knows what is charged for it: the reservation counts as spent, or what was seen if that is more.
  public func leaveUnsettled(
    _ id: Int64, bytesSeen: ByteCount, costSeen: Dollars, reason: String
  ) async throws(BudgetFailure) {
    try await follow(id, "left unsettled") { purchase, time in
      LedgerEvent(.unsettled, of: purchase, at: time, bytes: bytesSeen, amount: costSeen, reason: reason)
    }
  }

  /// The stream is larger than what was reserved and still running: the purchase counts with what it has cost so far. Less
  /// than what counts already changes nothing.
  public func recordOverrun(_ id: Int64, bytesSoFar: ByteCount, costSoFar: Dollars) async throws(BudgetFailure) {
    try await follow(id, "overrun") { purchase, time in
      guard costSoFar > purchase.charge || bytesSoFar > purchase.bytes else { return nil }
      return LedgerEvent(.overrun, of: purchase, at: time, bytes: bytesSoFar, amount: costSoFar)
    }
  }

  /// Lets the next purchase of a task that the caps would refuse through, once, if it costs `upTo` or less, past every cap but
  /// `total`. It takes the place of an open approval of the same task.
  public func approve(_ task: TaskPath, upTo amount: Dollars, by requester: Requester) async throws(BudgetFailure) {
    let timekeeper = timekeeper
    try await store.write { db in
      let time = try LedgerQueries.time(timekeeper, in: db)
      let event = LedgerEvent(
        id: 0, time: time.now, kind: .approved, purchase: nil, task: task, bytes: .zero, amount: amount,
        requester: requester, path: task.description, price: .free, estimate: nil, reason: "", owner: nil,
        clock: time.machine)
      try event.append(to: db)
    }
  }

  /// A person knows from the provider's invoice what an unsettled purchase has really cost; the entry says from now on who said so.
  /// - Parameter bytes: what the invoice says; nil when it does not, and then no estimate learns from this purchase.
  /// - Returns: the purchase as it stands now.
  /// - Throws: ``BudgetFailure/ledger(reason:)`` that says what it is, for a purchase that is not unsettled.
  public func correct(
    _ id: Int64, cost: Dollars, bytes: ByteCount?, by person: Requester
  ) async throws(BudgetFailure) -> Purchase {
    await findOrphans()
    let timekeeper = timekeeper
    let corrected = try await store.write { db in
      guard let purchase = try LedgerQueries.purchase(id, in: db) else {
        throw BudgetFailure.ledger(reason: "there is no purchase \(id); `tollfs ledger` shows them with their ids")
      }
      guard purchase.state == .unsettled else {
        throw BudgetFailure.ledger(reason: Self.refusalToCorrect(purchase))
      }
      let reason =
        "settled by hand: uid \(person.userID), pid \(person.processID), \(person.command); it counted as "
        + "\(purchase.charge)"
      var event = LedgerEvent(
        .settled, of: purchase, at: try LedgerQueries.time(timekeeper, in: db), bytes: bytes ?? purchase.seen,
        amount: cost, reason: reason, by: person)
      event.isWhole = bytes != nil
      try event.append(to: db)
      return try LedgerQueries.purchase(id, in: db) ?? purchase
    }
    logger.notice("purchase settled by hand", metadata: ["purchase": "\(id)", "cost": "\(cost)"])
    return corrected
  }

  private static func refusalToCorrect(_ purchase: Purchase) -> String {
    let state =
      switch purchase.state {
      case .reserved: "reserved: process \(purchase.owner.processID) is still downloading it"
      case .settled: "settled already, at \(purchase.charge) dollars"
      case .released: "released: nothing was charged"
      case .unsettled: "unsettled"
      }
    return "purchase \(purchase.id) of \(purchase.task) is \(state); only an unsettled purchase can be settled by hand"
  }

  /// Adds the event that `body` makes of the purchase's present state; nil adds nothing.
  private func follow(
    _ id: Int64, _ step: String, _ body: @escaping @Sendable (Purchase, LedgerTime) throws -> LedgerEvent?
  ) async throws(BudgetFailure) {
    let timekeeper = timekeeper
    try await store.write { db in
      guard let purchase = try LedgerQueries.purchase(id, in: db) else {
        throw ImpossibleEvent(reason: "there is no purchase \(id)")
      }
      let event = try body(purchase, try LedgerQueries.time(timekeeper, in: db))
      try event?.append(to: db)
    }
    logger.debug("purchase changed", metadata: ["purchase": "\(id)", "step": "\(step)"])
  }
}

extension LedgerQueries {
  /// Checks a purchase against the caps and begins it.
  /// - Throws: ``BudgetFailure/refused(_:)``.
  fileprivate static func reserve(
    _ request: PurchaseRequest, _ caps: BudgetCaps?, continuing open: Int64? = nil, at time: LedgerTime,
    owner: ProcessIdentity, in db: Database
  ) throws -> Reservation {
    let standing = try standing(of: request.task, continuing: open, at: time, in: db)
    let approval: Dollars?
    switch BudgetPolicy(caps: caps).verdict(on: request, standing) {
    case .refused(let refusal): throw BudgetFailure.refused(refusal)
    case .allowed(let needed): approval = needed
    }
    let id = try nextPurchase(in: db)
    let event = LedgerEvent(reserving: id, for: request, at: time, owner: owner, continues: open)
    try event.append(to: db)
    if let approval {
      let used = LedgerEvent(
        .approvalUsed, of: try Purchase(event), at: time, bytes: request.expected.bytes, amount: approval)
      try used.append(to: db)
    }
    return Reservation(
      id: id, cost: request.cost, task: request.task, bytes: request.expected.bytes, open: open ?? id)
  }
}
