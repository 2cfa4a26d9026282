import Foundation
import Tasks
import Testing

@testable import Budget

@Suite("Verdicts on a purchase")
struct BudgetPolicyTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let caps: BudgetCaps?
    var standing = BudgetStanding(windows: BudgetWindows(at: date("2026-03-14T12:00:00Z"), timeZone: zone("UTC")))
    let cost: Int64
    /// nil: allowed. An empty string: refused for want of a budget.
    let refusedBy: String?
    var usesApproval: Int64?
    var testDescription: String { name }

    init(
      _ name: String, _ caps: BudgetCaps?,
      charged: (total: Int64, month: Int64, day: Int64, task: Int64) = (0, 0, 0, 0),
      approval: Int64? = nil, cost: Int64, refusedBy: String?, usesApproval: Int64? = nil
    ) {
      self.name = name
      self.caps = caps
      self.cost = cost
      self.refusedBy = refusedBy
      self.usesApproval = usesApproval
      standing.total = .micro(charged.total)
      standing.month = .micro(charged.month)
      standing.day = .micro(charged.day)
      standing.task = .micro(charged.task)
      standing.approval = approval.map(Dollars.micro)
    }
  }

  static let cases = [
    Case("no budget", nil, cost: 1, refusedBy: ""),
    Case("no budget, an approval", nil, approval: 100, cost: 1, refusedBy: ""),
    Case("an empty budget", BudgetCaps(), cost: 1, refusedBy: ""),
    Case("a budget with nothing but an assumption", BudgetCaps(assumeUnknown: .zero), cost: 0, refusedBy: ""),
    Case("a cap of nothing", BudgetCaps(daily: .zero), cost: 1, refusedBy: "daily"),
    Case("exactly what is left", BudgetCaps(daily: .micro(100)), charged: (60, 60, 60, 0), cost: 40, refusedBy: nil),
    Case("one more", BudgetCaps(daily: .micro(100)), charged: (60, 60, 60, 0), cost: 41, refusedBy: "daily"),
    Case("yesterday's", BudgetCaps(daily: .micro(100)), charged: (900, 900, 0, 900), cost: 100, refusedBy: nil),
    Case("monthly", BudgetCaps(monthly: .micro(100)), charged: (61, 61, 0, 0), cost: 40, refusedBy: "monthly"),
    Case("total", BudgetCaps(total: .micro(100)), charged: (61, 0, 0, 0), cost: 40, refusedBy: "total"),
    Case("per task", BudgetCaps(perTask: .micro(100)), charged: (61, 61, 61, 61), cost: 40, refusedBy: "per_task"),
    Case("another task", BudgetCaps(perTask: .micro(100)), charged: (61, 61, 61, 0), cost: 40, refusedBy: nil),
    Case("per open", BudgetCaps(perOpen: .micro(39)), cost: 40, refusedBy: "per_open"),
    Case("per open counts no other", BudgetCaps(perOpen: .micro(40)), charged: (9, 9, 9, 9), cost: 40, refusedBy: nil),
    Case(
      "the one with the least left is named", BudgetCaps(monthly: .micro(70), daily: .micro(65), perOpen: .micro(39)),
      charged: (61, 61, 61, 61), cost: 40, refusedBy: "daily"),
    Case(
      "total comes first", BudgetCaps(total: .micro(100), daily: .micro(65)), charged: (61, 61, 61, 61), cost: 40,
      refusedBy: "total"),
    Case(
      "an approval passes every cap but total",
      BudgetCaps(total: .micro(40), monthly: .zero, daily: .zero, perTask: .zero, perOpen: .zero), approval: 40,
      cost: 40, refusedBy: nil, usesApproval: 40),
    Case(
      "an approval does not pass total", BudgetCaps(total: .micro(39), daily: .zero), approval: 40, cost: 40,
      refusedBy: "total"),
    Case("too small an approval", BudgetCaps(daily: .zero), approval: 39, cost: 40, refusedBy: "daily"),
    Case("an approval that isn't needed", BudgetCaps(daily: .micro(40)), approval: 40, cost: 40, refusedBy: nil),
    Case("after an overrun", BudgetCaps(daily: .micro(10)), charged: (50, 50, 50, 0), cost: 0, refusedBy: "daily"),
    Case(
      "absurd sums saturate", BudgetCaps(total: .micro(.max - 1)), charged: (.max, .max, .max, 0), cost: 40,
      refusedBy: "total"),
  ]

  @Test("Each cap", arguments: cases)
  func verdict(_ example: Case) {
    let verdict = BudgetPolicy(caps: example.caps).verdict(
      on: request("a", microDollars: example.cost), example.standing)
    switch verdict {
    case .allowed(let approval):
      #expect(example.refusedBy == nil)
      #expect(approval == example.usesApproval.map(Dollars.micro))
    case .refused(let refusal):
      #expect(example.refusedBy == refusal.cap?.rawValue ?? "")
      #expect(refusal.needed == .micro(example.cost))
    }
  }

  @Test("What is free needs no budget")
  func free() {
    let free = PurchaseRequest(
      task: task("a"), path: "a", price: .free, requester: reader,
      expected: Estimate(bytes: ByteCount(1 << 40), basis: .assumed, evidence: ""))
    let standing = BudgetStanding(total: .micro(99), windows: BudgetWindows(at: .now, timeZone: zone("UTC")))
    #expect(BudgetPolicy(caps: nil).verdict(on: free, standing) == .allowed(usingApproval: nil))
    #expect(BudgetPolicy(caps: BudgetCaps(total: .zero)).verdict(on: free, standing) == .allowed(usingApproval: nil))
  }

  private func refused(
    _ caps: BudgetCaps?, _ name: String = "ros-1", cost: Int64, day: Int64 = 0, total: Int64 = 0, approval: Int64? = nil
  ) throws -> Refusal {
    let windows = BudgetWindows(at: date("2026-03-14T12:00:00Z"), timeZone: zone("Europe/Berlin"))
    let standing = BudgetStanding(
      total: .micro(total), month: .micro(day), day: .micro(day), approval: approval.map(Dollars.micro),
      windows: windows)
    guard
      case .refused(let refusal) = BudgetPolicy(caps: caps).verdict(on: request(name, microDollars: cost), standing)
    else { throw CocoaError(.featureUnsupported) }
    return refusal
  }

  @Test("A refusal says which cap, how much, when it resets, and what to do")
  func explained() throws {
    let refusal = try refused(BudgetCaps(daily: dollars("1")), cost: 120_000, day: 950_000)
    #expect(
      refusal.reason
        == "the daily cap of 1.000000 dollars would be exceeded: needs 0.120000, 0.050000 left, "
        + "resets 2026-03-15T00:00:00+01:00")
    #expect(
      refusal.remedy
        == "raise budget.daily to at least 1.070000, or `tollfs approve screenplay/ros-1 --max 0.120000`, "
        + "or wait until 2026-03-15T00:00:00+01:00")
    #expect(refusal.left == dollars("0.05") && refusal.capAmount == dollars("1"))
    #expect(refusal.resetsAt == date("2026-03-14T23:00:00Z"))
  }

  @Test("Nobody is told to wait for a window that will never have room")
  func noVainWait() throws {
    let daily = try refused(BudgetCaps(daily: dollars("0.0001")), cost: 120_000)
    #expect(!daily.remedy.contains("wait"))
    let both = try refused(BudgetCaps(daily: dollars("1"), perOpen: dollars("0.1")), cost: 120_000, day: 950_000)
    #expect(!both.remedy.contains("wait"))
    #expect(both.reason.contains("also over: per_open"))
    #expect(both.remedy.contains("budget.daily to at least 1.070000 and budget.per_open to at least 0.120000"))
    let windows = try refused(BudgetCaps(monthly: dollars("1"), daily: dollars("1")), cost: 120_000, day: 950_000)
    #expect(windows.remedy.hasSuffix("wait until 2026-04-01T00:00:00+02:00"))
  }

  @Test("Nobody is told to approve what an approval does not let through")
  func noVainApproval() throws {
    let total = try refused(BudgetCaps(total: dollars("1"), daily: dollars("1")), cost: 120_000, day: 0, total: 950_000)
    #expect(total.remedy == "raise budget.total to at least 1.070000")
    #expect(total.resetsAt == nil)
    let none = try refused(nil, cost: 120_000, approval: 1_000_000)
    #expect(none.cap == nil && !none.remedy.contains("approve") && none.remedy.contains("budget.daily: 0.120000"))
    let small = try refused(BudgetCaps(daily: .zero), cost: 120_000, approval: 119_999)
    #expect(small.reason.hasSuffix("; the approval of up to 0.119999 does not let it through"))
  }

  @Test(
    "The command in a refusal can be pasted into a shell",
    arguments: [
      ("ros-sd-20260313-a3f8c2b1", "screenplay/ros-sd-20260313-a3f8c2b1"), ("a b", "'screenplay/a b'"),
      ("it's", "'screenplay/it'\\''s'"), ("$(id)", "'screenplay/$(id)'"), ("分镜", "'screenplay/分镜'"),
    ])
  func pasted(name: String, word: String) throws {
    let refusal = try refused(BudgetCaps(daily: .zero), name, cost: 1)
    #expect(refusal.remedy.contains("`tollfs approve \(word) --max 0.000001`"))
  }
}
