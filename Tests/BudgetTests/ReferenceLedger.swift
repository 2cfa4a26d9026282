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
    var seen: Int64 = 0
    var real: Int64 = 0
    var state = Purchase.State.reserved
    var approval: Int64?

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
  var now = Date.distantPast

  func day(_ date: Date) -> String {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = timeZone
    let parts = calendar.dateComponents([.year, .month, .day], from: date)
    return String(format: "%04d-%02d-%02d", parts.year ?? 0, parts.month ?? 0, parts.day ?? 0)
  }

  func sum(_ isCounted: (Entry) -> Bool) -> Int64 {
    entries.filter(isCounted).reduce(0) { $0 + $1.charge }
  }

  /// What counts against a cap at a moment. A day is its date, a month the first seven characters of it.
  func charged(_ cap: BudgetCap, _ task: TaskPath, at moment: Date) -> Int64 {
    let today = day(moment)
    switch cap {
    case .total: return sum { _ in true }
    case .monthly: return sum { $0.day.prefix(7) == today.prefix(7) }
    case .daily: return sum { $0.day == today }
    case .perTask: return sum { $0.task == task }
    case .perOpen: return 0
    }
  }

  enum Verdict: Equatable { case allowed, approved, refused }

  func verdict(_ task: TaskPath, _ cost: Int64, _ caps: BudgetCaps?, at moment: Date) -> Verdict {
    guard let caps, BudgetCap.allCases.contains(where: { caps.limit(of: $0) != nil }) else { return .refused }
    let over = BudgetCap.allCases.filter { cap in
      guard let limit = caps.limit(of: cap) else { return false }
      return charged(cap, task, at: moment) + cost > limit.microDollars
    }
    if over.isEmpty { return .allowed }
    if !over.contains(.total), let approval = approvals[task], cost <= approval { return .approved }
    return .refused
  }

  mutating func reserve(_ task: TaskPath, _ cost: Int64, _ verdict: Verdict, owner: Int32) {
    var entry = Entry(task: task, day: day(now), owner: owner, reserved: cost)
    if verdict == .approved { entry.approval = approvals.removeValue(forKey: task) }
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
  }
}
