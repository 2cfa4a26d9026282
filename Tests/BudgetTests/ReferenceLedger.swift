import Foundation
import Tasks

@testable import Budget

/// What the ledger ought to say, written down as simply as possible: a list of purchases, summed up anew for every question.
struct ReferenceLedger {
  struct Entry {
    let task: TaskPath
    let day: String
    let owner: Int32
    let reserved: Int64
    let episodes: Int?
    /// The index of the first purchase of the same open; its own for that one.
    let open: Int
    var isWhole: Bool
    var seen: Int64 = 0
    var real: Int64 = 0
    var state = Purchase.State.reserved
    var approval: Int64?
    /// In thousands of bytes.
    var seenSize: Int64 = 0
    var realSize: Int64 = 0

    var charge: Int64 {
      switch state {
      case .reserved, .unsettled: max(reserved, seen)
      case .settled: real
      case .released: 0
      }
    }
    var isOpen: Bool { state == .reserved || state == .unsettled }
  }

  let timeZone: TimeZone
  var entries: [Entry] = []
  var approvals: [TaskPath: Int64] = [:]
  /// The time of the last event.
  var now: Date?

  // MARK: Time

  /// In whole milliseconds, as the ledger keeps time.
  func moment(machine: Date, vouched: Date?) -> Date {
    let machine = Date(milliseconds: machine.milliseconds)
    let confirmed = vouched.map { min(machine, Date(milliseconds: $0.milliseconds) + 30) }
    guard let now else { return confirmed ?? machine }
    if let confirmed { return max(now, confirmed) }
    return day(machine) == day(now) ? max(now, machine) : now
  }

  func day(_ date: Date) -> String {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = timeZone
    let parts = calendar.dateComponents([.year, .month, .day], from: date)
    return String(format: "%04d-%02d-%02d", parts.year ?? 0, parts.month ?? 0, parts.day ?? 0)
  }

  // MARK: Caps

  func sum(_ isCounted: (Entry) -> Bool) -> Int64 {
    entries.filter(isCounted).reduce(0) { $0 + $1.charge }
  }

  /// What counts against a cap at a moment. A day is its date, a month the first seven characters of it.
  func charged(_ cap: BudgetCap, _ task: TaskPath, open: Int?, at moment: Date) -> Int64 {
    let today = day(moment)
    switch cap {
    case .total: return sum { _ in true }
    case .monthly: return sum { $0.day.prefix(7) == today.prefix(7) }
    case .daily: return sum { $0.day == today }
    case .perTask: return sum { $0.task == task }
    case .perOpen: return sum { $0.open == open }
    }
  }

  enum Verdict: Equatable { case allowed, usingApproval, withOpensApproval, refused }

  func verdict(_ task: TaskPath, _ cost: Int64, _ caps: BudgetCaps?, open: Int?, at moment: Date) -> Verdict {
    guard let caps, BudgetCap.allCases.contains(where: { caps.limit(of: $0) != nil }) else { return .refused }
    let over = BudgetCap.allCases.filter { cap in
      guard let limit = caps.limit(of: cap) else { return false }
      return charged(cap, task, open: open, at: moment) + cost > limit.microDollars
    }
    if over.isEmpty { return .allowed }
    if over.contains(.total) { return .refused }
    let needed = charged(.perOpen, task, open: open, at: moment) + cost
    if entries.contains(where: { $0.open == open && ($0.approval ?? -1) >= needed }) { return .withOpensApproval }
    return (approvals[task] ?? -1) >= needed ? .usingApproval : .refused
  }

  /// The least that any cap leaves; nothing without one.
  func left(_ task: TaskPath, _ caps: BudgetCaps?, open: Int?, at moment: Date) -> Int64 {
    let each = BudgetCap.allCases.compactMap { cap in
      caps?.limit(of: cap).map { $0.microDollars - charged(cap, task, open: open, at: moment) }
    }
    return max(0, each.min() ?? 0)
  }

  // MARK: Events

  mutating func reserve(
    _ task: TaskPath, _ cost: Int64, _ verdict: Verdict, owner: Int32, episodes: Int?, open: Int?, at moment: Date
  ) {
    now = moment
    var entry = Entry(
      task: task, day: day(moment), owner: owner, reserved: cost, episodes: episodes, open: open ?? entries.count,
      isWhole: open == nil)
    if verdict == .usingApproval { entry.approval = approvals.removeValue(forKey: task) }
    entries.append(entry)
  }

  mutating func release(_ index: Int) {
    entries[index].state = .released
    guard let approval = entries[index].approval else { return }
    entries[index].approval = nil
    if approvals[entries[index].task] == nil { approvals[entries[index].task] = approval }
  }

  mutating func see(_ index: Int, _ cost: Int64) {
    entries[index].seen = max(entries[index].seen, cost)
    entries[index].seenSize = max(entries[index].seenSize, cost)
  }

  mutating func settle(_ index: Int, cost: Int64, size: Int64?) {
    entries[index].state = .settled
    entries[index].real = cost
    entries[index].realSize = size ?? entries[index].seenSize
    entries[index].seenSize = max(entries[index].seenSize, entries[index].realSize)
    if size == nil { entries[index].isWhole = false }
  }

  // MARK: Estimates

  /// In thousands of bytes, rounded up.
  func estimate(_ task: TaskPath, known: Int64?, episodes: Int?, assume: Int64) -> (size: Int64, isExact: Bool) {
    let lessons = entries.filter { $0.state == .settled && $0.isWhole && $0.realSize > 0 }
    let own = lessons.filter { $0.task == task }.map(\.realSize).max()
    if let exact = [own, known].compactMap({ $0 }).max() { return (exact, true) }
    let arrived = entries.filter { $0.task == task && $0.state != .released }.map(\.seenSize).max() ?? 0
    let source = Array(lessons.filter { $0.task.source == task.source }.reversed())
    return (max(arrived, byEpisodes(source, episodes) ?? max(assume, usual(source.map(\.realSize)))), false)
  }

  /// The least number that 95 of 100 are not above; zero for none.
  private func usual(_ sizes: [Int64]) -> Int64 {
    sizes.sorted().first { size in sizes.count { $0 <= size } * 100 >= sizes.count * 95 } ?? 0
  }

  private func byEpisodes(_ source: [Entry], _ episodes: Int?) -> Int64? {
    let known = source.filter { $0.episodes != nil }.prefix(100)
    guard let episodes, known.count >= 19 else { return nil }
    func difference(_ entry: Entry) -> Double { abs(log(Double(entry.episodes ?? 0) / Double(episodes))) }
    // Rounded, since logarithms of equal ratios need not be equal; then the order in which they came decides.
    let order = known.indices.sorted {
      let (left, right) = (difference(known[$0]), difference(known[$1]))
      return abs(left - right) > 1e-9 ? left < right : $0 < $1
    }
    let near = order.prefix(max(19, known.count / 3)).map { known[$0] }
    let rates = near.map { ($0.realSize * 1_000 + Int64($0.episodes ?? 1) - 1) / Int64($0.episodes ?? 1) }
    // One more that is larger than all: of these, 95 of 100 must not be above.
    let rate = (rates + [.max]).sorted().first { rate in
      (rates + [.max]).count { $0 <= rate } * 100 >= (rates.count + 1) * 95
    }
    let fewest = near.compactMap(\.episodes).min() ?? 1
    return ((rate ?? 0) * Int64(max(episodes, fewest)) + 999) / 1_000
  }
}
