import Foundation
import Tasks
import TestSupport
import Testing

@testable import Budget

/// What a helper said that it was about to do and had done, and what the ledger must say after it.
struct HelperTrace {
  private struct Entry {
    var reserved: Int64
    /// The most that it was seen to cost.
    var seen: Int64 = 0
    /// What it may have been settled to, and whether it may have been released: said to be about to be done.
    var maySettle: Int64?
    var mayBeReleased = false
    var settled: Int64?
    var isReleased = false

    /// The least that it counts.
    var least: Int64 {
      if isReleased { return 0 }
      if let settled { return settled }
      if mayBeReleased { return 0 }
      return min(max(reserved, seen), maySettle ?? .max)
    }
  }

  private var entries: [Int64: Entry] = [:]
  private var approved: [String: Int64] = [:]
  let isDone: Bool
  /// How many steps failed.
  private(set) var failures = 0

  init(_ lines: [String]) {
    isDone = lines.last == "done"
    for line in lines {
      let words = line.split(separator: " ").map(String.init)
      if words.first == "failed" { failures += 1 }
      guard words.count > 1, let id = Int64(words[1]) else {
        if words.first == "approved", words.count > 2 { approved[words[1]] = Int64(words[2]) }
        continue
      }
      note(words[0], id, words.count > 2 ? Int64(words[2]) ?? 0 : 0)
    }
  }

  private mutating func note(_ word: String, _ id: Int64, _ cost: Int64) {
    if word == "reserved" { entries[id] = Entry(reserved: cost) }
    guard var entry = entries[id] else { return }
    switch word {
    case "settling": entry.maySettle = min(cost, entry.maySettle ?? .max)
    case "settled": entry.settled = cost
    case "releasing": entry.mayBeReleased = true
    case "released": entry.isReleased = true
    case "seen": entry.seen = max(entry.seen, cost)
    default: break
    }
    entries[id] = entry
  }

  /// What the ledger says otherwise than it was told; nothing when all is well.
  func violations(_ purchases: [Purchase], openApprovals: [TaskPath: Dollars]) -> [String] {
    var found: [String] = []
    let kept = Dictionary(uniqueKeysWithValues: purchases.map { ($0.id, $0) })
    for (id, entry) in entries.sorted(by: { $0.key < $1.key }) {
      guard let purchase = kept[id] else {
        found.append("purchase \(id) was reserved and is not there")
        continue
      }
      if purchase.reserved.microDollars != entry.reserved {
        found.append("purchase \(id) was reserved with another amount")
      }
      if purchase.charge.microDollars < entry.least {
        found.append("purchase \(id) counts \(purchase.charge) and must count at least \(entry.least) micro-dollars")
      }
      if let settled = entry.settled, purchase.state != .settled || purchase.charge.microDollars != settled {
        found.append("purchase \(id) was settled and is \(purchase.state.rawValue)")
      }
      if entry.isReleased, purchase.state != .released { found.append("purchase \(id) was released and is not") }
    }
    for task in approved.keys {
      let isOpen = openApprovals.keys.contains { $0.description == task }
      let isUsed = purchases.contains { $0.task.description == task && $0.approval != nil }
      if !isOpen && !isUsed { found.append("the approval of \(task) is gone") }
    }
    return found
  }
}
