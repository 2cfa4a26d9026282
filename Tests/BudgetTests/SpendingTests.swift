import Foundation
import Tasks
import TestSupport
import Testing

@testable import Budget

@Suite("What days have cost")
struct SpendingTests {
  private func day(_ number: Int, _ charged: Int64, reserved: Int64 = 0, unsettled: Int64 = 0) -> SpendingDay {
    SpendingDay(
      day: "2026-03-\(number + 10)", start: .distantPast, charged: .micro(charged), reserved: .micro(reserved),
      unsettled: .micro(unsettled), purchases: 1)
  }

  @Test("Each day of local time with what counts in it, and empty ones between")
  func days() async throws {
    let directory = try TemporaryDirectory("spending")
    let clock = HandClock("2026-03-27T22:30:00Z")
    let ledger = try await Ledger(
      stateDirectory: directory.path, clock: clock, vouchedTime: { clock.now() }, timeZone: zone("Europe/Berlin"))
    let caps = BudgetCaps(total: dollars("10"))
    _ = try await ledger.reserve(request("a", microDollars: 100), caps: caps)
    try await ledger.settle(1, bytes: ByteCount(1), cost: .micro(70))
    // Half past midnight in Berlin.
    clock.set(date("2026-03-27T23:30:00Z"))
    _ = try await ledger.reserve(request("b", microDollars: 20), caps: caps)
    try await ledger.leaveUnsettled(2, bytesSeen: .zero, costSeen: .zero, reason: "")
    _ = try await ledger.reserve(request("b", microDollars: 3), caps: caps)
    _ = try await ledger.reserve(request("b", microDollars: 9), caps: caps)
    try await ledger.release(4, reason: "")
    // The 29th has 23 hours.
    clock.set(date("2026-03-30T10:00:00Z"))
    _ = try await ledger.reserve(request("c", microDollars: 5), caps: caps)
    let days = try await ledger.spending(days: 5)
    #expect(days.map(\.day) == ["2026-03-26", "2026-03-27", "2026-03-28", "2026-03-29", "2026-03-30"])
    #expect(days.map(\.charged.microDollars) == [0, 70, 23, 0, 5])
    #expect(days.map(\.reserved.microDollars) == [0, 0, 3, 0, 5])
    #expect(days.map(\.unsettled.microDollars) == [0, 0, 20, 0, 0])
    #expect(days.map(\.purchases) == [0, 1, 2, 0, 1])
    #expect(days[3].start == date("2026-03-28T23:00:00Z"))
    #expect(try await ledger.spending(days: 0) == [])
  }

  @Test("Bars as long as what was spent, in blocks")
  func blocks() {
    let chart = SpendingChart(width: 38, isUnicode: true)
    let days = [day(0, 800_000), day(1, 0), day(2, 400_000), day(3, 1), day(4, 150_000, reserved: 50_000)]
    #expect(
      chart.render(days) == """
        2026-03-10  0.800000  ████████████████
        2026-03-11  0.000000
        2026-03-12  0.400000  ████████
        2026-03-13  0.000001  ▏
        2026-03-14  0.150000  ██░
        total       1.350001
        ░ reserved or unsettled: 0.050000

        """)
  }

  @Test("Bars in plain characters")
  func plain() {
    let chart = SpendingChart(width: 30, isUnicode: false)
    let days = [day(0, 8), day(1, 4, unsettled: 4), day(2, 1), day(3, 8, reserved: 1)]
    #expect(
      chart.render(days) == """
        2026-03-10  0.000008  ########
        2026-03-11  0.000004  ....
        2026-03-12  0.000001  #
        2026-03-13  0.000008  #######.
        total       0.000021
        . reserved or unsettled: 0.000005

        """)
  }

  @Test("No line is wider than the terminal, however absurd the amounts", arguments: [0, 20, 33, 80, 200])
  func narrow(width: Int) {
    let days = [day(0, .max), day(1, .max - 1, reserved: .max / 2), day(2, 3)]
    for isUnicode in [true, false] {
      let lines = SpendingChart(width: width, isUnicode: isUnicode).render(days).split(separator: "\n").dropLast()
      let longest = lines.map(\.count).max() ?? 0
      // Days and amounts need 34 columns and a bar eight: narrower is not possible.
      #expect(longest <= max(width, 34 + 8))
    }
    #expect(SpendingChart(width: 80, isUnicode: true).render([]) == "total  0.000000\n")
  }

  @Test("Columns line up, also where characters are two columns wide")
  func table() {
    let rows = [["task", "cost", "note"], ["分镜", "1.5", ""], ["e\u{301}", "10.25", "x"]]
    #expect(
      TextTable.render(rows, rightAligned: [1]) == """
        task   cost  note
        分镜    1.5
        e\u{301}     10.25  x

        """)
    #expect(TextTable.render([]) == "")
  }
}
