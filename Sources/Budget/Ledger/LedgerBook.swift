import Tasks

/// What follows from a run of events: purchases and open approvals.
///
/// The ledger applies every event it writes to a book that holds only what the event touches, and keeps the result in tables;
/// applied to all events, it rebuilds those tables. So there is one set of rules.
struct LedgerBook: Sendable, Hashable {
  var purchases: [Int64: Purchase] = [:]
  /// The one open approval of a task: a later one takes the place of an earlier one.
  var approvals: [TaskPath: Dollars] = [:]

  /// - Throws: ``ImpossibleEvent``; the book is then as it was.
  mutating func apply(_ event: LedgerEvent) throws(ImpossibleEvent) {
    switch event.kind {
    case .approved:
      approvals[event.task] = event.amount
      return
    case .reserved:
      let purchase = try Purchase(event)
      guard purchases[purchase.id] == nil else {
        throw ImpossibleEvent(reason: "purchase \(purchase.id) is there already")
      }
      purchases[purchase.id] = purchase
      return
    case .settled, .released, .unsettled, .overrun, .approvalUsed: break
    }
    guard let id = event.purchase, var purchase = purchases[id] else {
      throw ImpossibleEvent(reason: "there is no purchase \(event.purchase.map(String.init) ?? "without a number")")
    }
    try purchase.apply(event)
    if event.kind == .approvalUsed { approvals[event.task] = nil }
    if event.kind == .released { giveBackApproval(of: &purchase) }
    purchases[id] = purchase
  }

  /// An approval lets one purchase through, and a released one bought nothing. A newer approval stands as it is.
  private mutating func giveBackApproval(of purchase: inout Purchase) {
    guard let amount = purchase.approval else { return }
    if approvals[purchase.task] == nil { approvals[purchase.task] = amount }
    purchase.approval = nil
  }
}
