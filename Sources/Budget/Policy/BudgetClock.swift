import Foundation

/// Tells the time that windows are reckoned by.
public protocol BudgetClock: Sendable {
  /// The present moment. It may run backwards: the ledger keeps the highest time it has seen.
  func now() -> Date
}

/// The machine's own clock.
public struct SystemClock: BudgetClock {
  public init() {}

  public func now() -> Date { Date() }
}

extension Date {
  /// Milliseconds since 1970, which is how the ledger keeps time: exact in SQLite and in comparisons.
  var milliseconds: Int64 {
    // A date beyond the range (a clock gone mad) is held at its ends instead of trapping.
    Int64(exactly: (timeIntervalSince1970 * 1_000).rounded()) ?? (timeIntervalSince1970 < 0 ? .min : .max)
  }

  init(milliseconds: Int64) {
    self.init(timeIntervalSince1970: Double(milliseconds) / 1_000)
  }
}
