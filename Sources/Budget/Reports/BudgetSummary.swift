import Foundation
import Tasks

/// How the budget stands at one moment.
public struct BudgetSummary: Sendable, Hashable {
  /// One cap and what counts against it. For `per_task` that is the dearest task; `per_open` begins anew with every open.
  public struct Window: Sendable, Hashable {
    public let cap: BudgetCap
    /// nil when the cap isn't set.
    public let limit: Dollars?
    /// Settled and unsettled charges.
    public let spent: Dollars
    /// Downloads on their way.
    public let reserved: Dollars
    /// nil when the cap isn't set; negative where it was overrun.
    public let left: Dollars?
    /// nil for what does not reset.
    public let resetsAt: Date?
  }

  /// An approval that nobody has used yet.
  public struct Approval: Sendable, Hashable {
    public let task: TaskPath
    public let upTo: Dollars
  }

  /// The task whose purchases count most.
  public struct DearestTask: Sendable, Hashable {
    public let task: TaskPath
    public let charged: Dollars
  }

  /// The moment that the windows were reckoned by: the present, as far as it can be believed.
  public let now: Date
  public let timeZone: TimeZone
  /// Set when windows would be later ones if an API confirmed the machine's clock.
  public let doubt: ClockDoubt?
  /// Whether any cap is set; if not, nothing billed is opened.
  public let isConfigured: Bool
  /// All five, in the order of the configuration.
  public let windows: [Window]
  /// nil where nothing counts.
  public let dearestTask: DearestTask?
  /// What is part of the total and nobody knows whether it was charged.
  public let unsettled: Dollars
  public let assumeUnknown: ByteCount
  /// In the order of their tasks.
  public let approvals: [Approval]
}
