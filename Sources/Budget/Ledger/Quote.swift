import Tasks

/// Money that was put aside for one purchase.
public struct Reservation: Sendable, Hashable {
  /// The purchase's number in the ledger.
  public let id: Int64
  public let cost: Dollars
  public let task: TaskPath
  /// The bytes that it was reserved for.
  public let bytes: ByteCount
  /// The first purchase of the open that this one belongs to; itself, unless ``Ledger/extend(_:by:caps:)`` made it.
  public let open: Int64
}

/// What a purchase would cost, and what the caps say of it.
public struct Quote: Sendable, Hashable {
  /// How large the download is expected to be, and how that is known.
  public let estimate: Estimate
  public let cost: Dollars
  /// nil when the purchase is allowed.
  public let refusal: Refusal?
  /// The approval that it would use up; nil when it fits the caps by itself.
  public let usesApproval: Dollars?
  /// What all purchases of the task have cost so far, reserved and unsettled ones included.
  public let chargedSoFar: Dollars
  /// What the tightest of the set caps leaves before this purchase (negative where it was overrun); nil without any cap.
  public let budgetLeft: Dollars?
  /// Which cap that is.
  public let tightestCap: BudgetCap?

  public var isAllowed: Bool { refusal == nil }

  init(_ request: PurchaseRequest, _ policy: BudgetPolicy, _ standing: BudgetStanding) {
    estimate = request.expected
    cost = request.cost
    chargedSoFar = standing.task
    let tightest = policy.tightest(standing)
    budgetLeft = tightest?.left
    tightestCap = tightest?.cap
    switch policy.verdict(on: request, standing) {
    case .allowed(let approval): (refusal, usesApproval) = (nil, approval)
    case .refused(let refused): (refusal, usesApproval) = (refused, nil)
    }
  }
}
