import Foundation
import Tasks

/// What has been charged at one moment, as far as one purchase is concerned.
struct BudgetStanding: Sendable {
  var total = Dollars.zero
  var month = Dollars.zero
  var day = Dollars.zero
  /// All purchases of the task that is asked for.
  var task = Dollars.zero
  /// What the open that this purchase continues has cost so far; zero for the first purchase of an open.
  var open = Dollars.zero
  /// The amount up to which that open was let through.
  var openApproval: Dollars?
  /// The amount up to which the task has been approved, once.
  var approval: Dollars?
  var windows: BudgetWindows
  /// Set when the windows might be later ones if an API confirmed the machine's clock.
  var doubt: ClockDoubt?

  /// What counts against a cap before the purchase.
  func charged(against cap: BudgetCap) -> Dollars {
    switch cap {
    case .total: total
    case .monthly: month
    case .daily: day
    case .perTask: task
    case .perOpen: open
    }
  }

  /// Counts a purchase that is planned.
  mutating func add(_ cost: Dollars) {
    total += cost
    month += cost
    day += cost
  }
}

/// What the policy says of a purchase.
enum BudgetVerdict: Sendable, Hashable {
  /// It may be bought; `usingApproval` is the approval that it needs and uses up.
  case allowed(usingApproval: Dollars?)
  case refused(Refusal)
}

/// Decides whether a purchase fits the caps. Pure: the ledger asks it inside the transaction that reserves.
struct BudgetPolicy: Sendable {
  let caps: BudgetCaps?

  func verdict(on request: PurchaseRequest, _ standing: BudgetStanding) -> BudgetVerdict {
    if request.price.isFree { return .allowed(usingApproval: nil) }
    guard let caps, caps.limitsAnything else { return .refused(noBudget(for: request)) }
    let exceeded = BudgetCap.allCases.compactMap { Self.standing(of: $0, caps, standing) }
      .filter { $0.charged + request.cost > $0.limit }
    guard !exceeded.isEmpty else { return .allowed(usingApproval: nil) }
    let totalRefuses = exceeded.contains { $0.cap == .total }
    if !totalRefuses {
      let needed = standing.open + request.cost
      if let approval = standing.openApproval, needed <= approval { return .allowed(usingApproval: nil) }
      if let approval = standing.approval, needed <= approval { return .allowed(usingApproval: approval) }
    }
    return .refused(refusal(of: request, exceeded, standing))
  }

  /// The set cap with the least left, and what it leaves; nil when none is set.
  func tightest(_ standing: BudgetStanding) -> (cap: BudgetCap, left: Dollars)? {
    guard let caps else { return nil }
    return BudgetCap.allCases.compactMap { Self.standing(of: $0, caps, standing) }
      .min { $0.left < $1.left }
      .map { ($0.cap, $0.left) }
  }

  private struct CapStanding {
    let cap: BudgetCap
    let limit: Dollars
    let charged: Dollars
    let window: DateInterval?
    var left: Dollars { limit - charged }
  }

  private static func standing(of cap: BudgetCap, _ caps: BudgetCaps, _ standing: BudgetStanding) -> CapStanding? {
    guard let limit = caps.limit(of: cap) else { return nil }
    let window = standing.windows.interval(of: cap)
    return CapStanding(cap: cap, limit: limit, charged: standing.charged(against: cap), window: window)
  }

  private func noBudget(for request: PurchaseRequest) -> Refusal {
    Refusal(
      cap: nil, needed: request.cost, left: .zero, capAmount: .zero, resetsAt: nil,
      reason: "no budget is configured, so nothing billed is opened: needs \(request.cost) dollars",
      remedy: "set at least one cap in the configuration, such as budget.daily: \(request.cost)")
  }

  /// - Parameter exceeded: not empty.
  private func refusal(
    of request: PurchaseRequest, _ exceeded: [CapStanding], _ standing: BudgetStanding
  ) -> Refusal {
    let total = exceeded.first { $0.cap == .total }
    guard let named = total ?? exceeded.min(by: { $0.left < $1.left }) else { return noBudget(for: request) }
    let timeZone = standing.windows.timeZone
    var reason = "the \(named.cap.rawValue) cap of \(named.limit) dollars would be exceeded: needs \(request.cost), "
    reason += "\(named.left) left"
    if let window = named.window { reason += ", resets \(DateText.moment(window.end, in: timeZone))" }
    let others = exceeded.filter { $0.cap != named.cap }.map(\.cap.rawValue)
    if !others.isEmpty { reason += " (also over: \(others.joined(separator: ", ")))" }
    if let approval = standing.approval { reason += "; the approval of up to \(approval) does not let it through" }
    // A new day would help, if only it were certain that there is one.
    let doubt = exceeded.contains { $0.window != nil } ? standing.doubt : nil
    if let doubt { reason += "; \(doubt.text(in: timeZone))" }
    return Refusal(
      cap: named.cap, needed: request.cost, left: named.left, capAmount: named.limit, resetsAt: named.window?.end,
      reason: reason, remedy: remedy(for: request, exceeded, standing))
  }

  private func remedy(
    for request: PurchaseRequest, _ exceeded: [CapStanding], _ standing: BudgetStanding
  ) -> String {
    let timeZone = standing.windows.timeZone
    let raises = exceeded.map { "\($0.cap.configurationKey) to at least \($0.charged + request.cost)" }
    var ways = ["raise \(raises.joined(separator: " and "))"]
    // An approval passes every cap but `total`.
    if !exceeded.contains(where: { $0.cap == .total }) {
      let task = ShellWord.quoted(request.task.description)
      ways.append("`tollfs approve \(task) --max \(standing.open + request.cost)`")
    }
    // Waiting helps only where every cap that refuses is a window, and an empty window has room for the purchase.
    let ends = exceeded.compactMap { request.cost <= $0.limit ? $0.window?.end : nil }
    if ends.count == exceeded.count, let last = ends.max() {
      if let doubt = standing.doubt, doubt.machine >= last {
        ways.append("look at the task's `status`, with whose answer the API tells the time")
      } else {
        ways.append("wait until \(DateText.moment(last, in: timeZone))")
      }
    }
    return ways.joined(separator: ", or ")
  }
}

/// A word of a command that can be pasted into a POSIX shell.
enum ShellWord {
  static func quoted(_ word: String) -> String {
    let harmless = word.unicodeScalars.allSatisfy { scalar in
      scalar.isASCII
        && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
          || "/._-+:@%".unicodeScalars.contains(scalar))
    }
    if harmless && !word.isEmpty && word.first != "-" { return word }
    return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }
}
