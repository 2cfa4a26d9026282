import Budget
import FileSystem
import Tasks

/// What `cost` says: what opening a task's results would cost, and what the guard thinks of it.
public struct CostReport: Hashable, Sendable {
  public enum Verdict: String, Hashable, Sendable {
    /// Everything is here: nothing would be fetched.
    case cached
    /// It would be fetched, and costs nothing.
    case free
    case allowed
    case refused
  }

  public let task: TaskPath
  public let pricePerGigabyte: Dollars
  /// The original size of all files.
  public let bytes: ByteCount
  public let isExact: Bool
  /// What opening the results now would cost.
  public let cost: Dollars
  /// What the ledger has counted for this task so far.
  public let charged: Dollars
  /// The least that any cap leaves; nil where no budget is configured.
  public let budgetLeft: Dollars?
  public let verdict: Verdict
  public let reason: String

  /// `key: value` lines, as in the file `cost`.
  public var text: String {
    """
    price_per_gb: \(pricePerGigabyte)
    bytes: \(bytes)
    bytes_basis: \(isExact ? "exact" : "assumed")
    cost: \(cost)
    charged: \(charged)
    budget_left: \(budgetLeft.map(String.init(describing:)) ?? "none")
    verdict: \(verdict.rawValue)
    reason: \(reason.oneLine)

    """
  }
}

extension CostReport {
  /// Pure: from what the cache holds and what the ledger says.
  static func make(
    task: TaskPath, price: PricePerGigabyte, state: TaskState?, stored: StoredResults?, quote: Quote,
    decision: AccessDecision
  ) -> CostReport {
    let stock = stored?.stock ?? .nothing
    let prospect =
      state.map { $0 == .completed ? "" : "the task is \($0.word) and has no results\($0.isFinal ? "" : " yet"); " }
      ?? ""
    func report(_ verdict: Verdict, cost: Dollars, _ reason: String) -> CostReport {
      CostReport(
        task: task, pricePerGigabyte: price.dollars, bytes: quote.estimate.bytes,
        isExact: quote.estimate.basis == .exact, cost: cost, charged: quote.chargedSoFar, budgetLeft: quote.budgetLeft,
        verdict: verdict, reason: reason)
    }
    if stock == .everything { return report(.cached, cost: .zero, "in the cache; opening it costs nothing") }
    if price.isFree { return report(.free, cost: .zero, "\(prospect)this source charges nothing") }
    let basis = "size \(quote.estimate.basis == .exact ? "known" : "assumed") from \(quote.estimate.evidence)"
    if let refusal = quote.refusal {
      return report(.refused, cost: quote.cost, "\(prospect)\(refusal.reason); \(refusal.remedy) (\(basis))")
    }
    if let damaged = stored?.damagedFiles, damaged > 0 {
      return report(
        .refused, cost: quote.cost,
        "\(damaged) file(s) are damaged; `tollfs fetch \(task)` buys the task again (\(basis))")
    }
    switch decision.verdict(stock: stock, want: stock == .nothing ? .listing : .content) {
    case .refuse(let failure): return report(.refused, cost: quote.cost, failure.reason)
    case .serve, .download: return report(.allowed, cost: quote.cost, "\(prospect)within the budget (\(basis))")
    }
  }
}
