import Foundation
import Tasks
import TestSupport
import Testing

@testable import Budget

extension LedgerScenario {
  /// Whether one opener sees what the reference says.
  mutating func compare(_ side: Int) async throws {
    let (ledger, moment) = (openers[side].ledger, moment(side))
    let purchases = try await ledger.purchases()
    #expect(purchases.map(\.state) == reference.entries.map(\.state))
    #expect(purchases.map(\.charge.microDollars) == reference.entries.map(\.charge))
    #expect(
      purchases.map(\.continues) == reference.entries.enumerated().map { $1.open == $0 ? nil : Int64($1.open + 1) })
    let summary = try await ledger.summary(caps: caps)
    #expect(summary.now == moment)
    for window in summary.windows where window.cap != .perTask && window.cap != .perOpen {
      let charged = reference.charged(window.cap, tasks[0], open: nil, at: moment)
      #expect((window.spent + window.reserved).microDollars == charged, "\(window.cap)")
      #expect(window.left == caps?.limit(of: window.cap).map { $0 - .micro(charged) })
    }
    #expect(summary.windows.first?.reserved.microDollars == reference.sum { $0.state == .reserved })
    #expect(summary.unsettled.microDollars == reference.sum { $0.state == .unsettled })
    let approvals = Dictionary(uniqueKeysWithValues: summary.approvals.map { ($0.task, $0.upTo.microDollars) })
    #expect(approvals == reference.approvals)
    let task = tasks[Int(number(0...3))]
    #expect(try await ledger.chargedSoFar(for: task).microDollars == reference.sum { $0.task == task })
    let today = try await ledger.spending(days: 1)
    #expect(today.map(\.charged.microDollars) == [reference.sum { $0.day == reference.day(moment) }])
  }
}

@Suite("The ledger beside a simple reference")
struct LedgerModelTests {
  /// `TOLLFS_LEDGER_SEED=N` repeats one scenario, `TOLLFS_LEDGER_SCENARIOS=N` runs so many.
  static var seeds: [UInt64] {
    let environment = ProcessInfo.processInfo.environment
    if let seed = environment["TOLLFS_LEDGER_SEED"].flatMap(UInt64.init) { return [seed] }
    let count = environment["TOLLFS_LEDGER_SCENARIOS"].flatMap(Int.init) ?? 30
    return (0..<count).map { _ in UInt64.random(in: 0...(.max)) }
  }

  @Test("Random operations", arguments: seeds)
  func random(seed: UInt64) async throws {
    print("ledger scenario: TOLLFS_LEDGER_SEED=\(seed)")
    var scenario = try await LedgerScenario(seed: seed)
    // Many short lives rather than a few long ones: each step is compared with all that was before it.
    for step in 1...scenario.number(10...80) {
      do {
        try await scenario.step()
      } catch {
        Issue.record("step \(step) of seed \(seed): \(error)")
        return
      }
    }
    for opener in scenario.openers { #expect(try await opener.ledger.audit() == []) }
  }
}
