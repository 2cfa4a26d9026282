import Tasks

/// One of the five limits of the `budget` section of the configuration.
public enum BudgetCap: String, Sendable, Hashable, CaseIterable {
  case total, monthly, daily
  case perTask = "per_task"
  case perOpen = "per_open"

  /// The key that sets it, as a refusal names it.
  public var configurationKey: String { "budget.\(rawValue)" }
}

/// How much may be spent, from the `budget` section of the configuration.
///
/// A nil cap is not set and limits nothing. Where there is no budget at all (`BudgetCaps?` is nil), and where no single cap is
/// set, every billed purchase is refused: an empty section must not switch the guard off.
public struct BudgetCaps: Sendable, Hashable {
  /// What may be spent in all, ever.
  public var total: Dollars?
  /// What may be spent in one calendar month of local time.
  public var monthly: Dollars?
  /// What may be spent in one calendar day of local time.
  public var daily: Dollars?
  /// What all purchases of one task may cost together.
  public var perTask: Dollars?
  /// What one purchase may cost.
  public var perOpen: Dollars?
  /// The least that is assumed of a download whose size can't be known before; in bytes, 1 GB by default.
  public var assumeUnknown: ByteCount

  /// 10^9 bytes: what the documentation shows, and more than most tasks have.
  public static let defaultAssumption = ByteCount(1_000_000_000)

  public init(
    total: Dollars? = nil, monthly: Dollars? = nil, daily: Dollars? = nil, perTask: Dollars? = nil,
    perOpen: Dollars? = nil, assumeUnknown: ByteCount = BudgetCaps.defaultAssumption
  ) {
    self.total = total
    self.monthly = monthly
    self.daily = daily
    self.perTask = perTask
    self.perOpen = perOpen
    self.assumeUnknown = assumeUnknown
  }

  /// The limit that `cap` sets, or nil when it isn't set.
  public func limit(of cap: BudgetCap) -> Dollars? {
    switch cap {
    case .total: total
    case .monthly: monthly
    case .daily: daily
    case .perTask: perTask
    case .perOpen: perOpen
    }
  }

  /// Whether any cap is set.
  public var limitsAnything: Bool { BudgetCap.allCases.contains { limit(of: $0) != nil } }
}
