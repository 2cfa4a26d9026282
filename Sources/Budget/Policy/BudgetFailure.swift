import Foundation
import Tasks

/// Why nothing may be bought.
public enum BudgetFailure: Error, Sendable, Hashable {
  /// A cap would be exceeded, or no budget is configured. Never to be retried by itself.
  case refused(Refusal)
  /// The ledger can't be read or written, so nothing may be bought. One line that names the file and, where there is one, the mend.
  case ledger(reason: String)
}

extension BudgetFailure: CustomStringConvertible {
  public var description: String {
    switch self {
    case .refused(let refusal): "\(refusal.reason); \(refusal.remedy)"
    case .ledger(let reason): reason
    }
  }
}

/// A purchase that the budget does not allow, explained.
public struct Refusal: Error, Sendable, Hashable {
  /// The cap that refuses, or nil when no budget is configured. Where several caps refuse it is `total` if that is one of them
  /// (an approval does not pass it), else the one with the least left.
  public let cap: BudgetCap?
  /// What the purchase would cost.
  public let needed: Dollars
  /// What the cap leaves; negative where it was overrun.
  public let left: Dollars
  /// The limit itself; zero when no budget is configured.
  public let capAmount: Dollars
  /// When the cap's window ends; nil for a cap that does not reset.
  public let resetsAt: Date?
  /// One line: which cap, what was needed, what is left, when it resets.
  public let reason: String
  /// One line: the key to raise, the command that lets this one through, or when to come back.
  public let remedy: String

  public init(
    cap: BudgetCap?, needed: Dollars, left: Dollars, capAmount: Dollars, resetsAt: Date?, reason: String,
    remedy: String
  ) {
    self.cap = cap
    self.needed = needed
    self.left = left
    self.capAmount = capAmount
    self.resetsAt = resetsAt
    self.reason = reason
    self.remedy = remedy
  }
}
