import Foundation
import Tasks
import TestSupport
import Testing

@testable import Budget

@Suite("Opens that reserve more")
struct FurtherReservationTests {
  let directory: TemporaryDirectory
  let clock = HandClock()

  init() throws { directory = try TemporaryDirectory("further") }

  private func open() async throws -> Ledger {
    try await Ledger(
      stateDirectory: directory.path, clock: clock, vouchedTime: { [clock] in clock.now() }, timeZone: zone("UTC"))
  }

  private func size(_ microDollars: Int64) -> Estimate {
    Estimate(bytes: ByteCount(microDollars * 1_000), basis: .exact, evidence: "read-ahead")
  }

  @Test("All purchases of an open count together against per_open, those of another don't")
  func perOpen() async throws {
    let ledger = try await open()
    let caps = BudgetCaps(perOpen: .micro(100))
    let first = try await ledger.reserve(request("a", microDollars: 60), caps: caps)
    let second = try await ledger.extend(first, by: size(30), caps: caps)
    #expect(second == Reservation(id: 2, cost: .micro(30), task: task("a"), bytes: ByteCount(30_000), open: 1))
    #expect(try await ledger.budgetLeft(for: task("a"), continuing: second, caps: caps) == .micro(10))
    #expect(try await ledger.budgetLeft(for: task("a"), caps: caps) == .micro(100))
    let refused = try await refusal { _ = try await ledger.extend(second, by: size(11), caps: caps) }
    #expect(refused?.cap == .perOpen && refused?.left == .micro(10) && refused?.needed == .micro(11))
    #expect(refused?.remedy.contains("budget.per_open to at least 0.000101, or `tollfs approve") == true)
    #expect(refused?.remedy.contains("--max 0.000101") == true)
    _ = try await ledger.reserve(request("a", microDollars: 100), caps: caps)
    // Once the first is settled to less, there is room again.
    try await ledger.settle(1, bytes: ByteCount(1_000), cost: .micro(1))
    let third = try await ledger.extend(second, by: size(69), caps: caps)
    #expect(third.open == 1)
    try await ledger.settle(third.id, bytes: ByteCount(5), cost: .micro(1))
    try await ledger.release(second.id, reason: "not needed")
    #expect(try await ledger.purchases().map(\.charge) == [.micro(1), .zero, .micro(100), .micro(1)])
    #expect(try await ledger.purchases().map(\.continues) == [nil, 1, nil, 1])
    #expect(try await ledger.audit() == [])
  }

  @Test("Every other cap holds too, and nothing is written when one refuses")
  func otherCaps() async throws {
    let ledger = try await open()
    let first = try await ledger.reserve(request("a", microDollars: 60), caps: BudgetCaps(total: .micro(100)))
    for caps in [BudgetCaps(total: .micro(100)), BudgetCaps(daily: .micro(100)), BudgetCaps(perTask: .micro(100)), nil]
    {
      let refused = try await refusal { _ = try await ledger.extend(first, by: size(41), caps: caps) }
      #expect(refused != nil)
    }
    #expect(try await ledger.events().count == 1)
    _ = try await ledger.extend(first, by: size(40), caps: BudgetCaps(total: .micro(100)))
  }

  @Test("A further reservation counts in the day in which it is made")
  func nextDay() async throws {
    let ledger = try await open()
    let caps = BudgetCaps(daily: .micro(100))
    let first = try await ledger.reserve(request("a", microDollars: 100), caps: caps)
    clock.advance(by: 86_400)
    _ = try await ledger.extend(first, by: size(100), caps: caps)
    #expect(try await ledger.spending(days: 2).map(\.charged) == [.micro(100), .micro(100)])
  }

  @Test("An approval lets an open through up to its amount, with all that the open adds")
  func approved() async throws {
    let ledger = try await open()
    let caps = BudgetCaps(total: .micro(1_000), daily: .zero)
    try await ledger.approve(task("a"), upTo: .micro(100), by: reader)
    let first = try await ledger.reserve(request("a", microDollars: 60), caps: caps)
    let second = try await ledger.extend(first, by: size(40), caps: caps)
    #expect(try await refusal { _ = try await ledger.extend(second, by: size(1), caps: caps) } != nil)
    #expect(try await refusal { _ = try await ledger.reserve(request("a", microDollars: 1), caps: caps) } != nil)
    #expect(try await ledger.purchases().map(\.approval) == [.micro(100), nil])
    // A new approval counts for the whole open as well.
    try await ledger.approve(task("a"), upTo: .micro(109), by: reader)
    #expect(try await refusal { _ = try await ledger.extend(second, by: size(10), caps: caps) } != nil)
    _ = try await ledger.extend(second, by: size(9), caps: caps)
    #expect(try await ledger.purchases().last?.approval == .micro(109))
    #expect(try await ledger.audit() == [])
  }

  @Test("Parts of a task teach nothing about the size of tasks")
  func parts() async throws {
    let ledger = try await open()
    let caps = BudgetCaps(total: .micro(1_000_000), assumeUnknown: ByteCount(5))
    let part = PurchaseRequest(
      task: task("a"), path: "a", price: oneDollarPerGB, requester: reader, expected: size(100), isWhole: false)
    let first = try await ledger.reserve(part, caps: caps)
    let second = try await ledger.extend(
      try await ledger.reserve(request("b", microDollars: 1), caps: caps), by: size(7), caps: caps)
    for id in [first.id, second.id] { try await ledger.settle(id, bytes: ByteCount(100_000), cost: .micro(100)) }
    #expect(try await ledger.estimate(for: task("c"), knownSize: nil, caps: caps).evidence == "assume_unknown")
    #expect(try await ledger.purchases().map(\.isWhole) == [false, true, false])
  }

  @Test("What is left is the least of all caps, never negative, and nothing without a budget")
  func left() async throws {
    let ledger = try await open()
    let caps = BudgetCaps(total: .micro(100), daily: .micro(80), perTask: .micro(70), perOpen: .micro(60))
    func left(_ name: String, _ caps: BudgetCaps?) async throws -> Int64 {
      try await ledger.budgetLeft(for: task(name), caps: caps).microDollars
    }
    #expect(try await left("a", caps) == 60)
    _ = try await ledger.reserve(request("a", microDollars: 55), caps: caps)
    #expect(try await left("a", caps) == 15)
    #expect(try await left("b", caps) == 25)
    try await ledger.recordOverrun(1, bytesSoFar: ByteCount(500_000), costSoFar: .micro(500))
    #expect(try await left("b", caps) == 0)
    #expect(try await left("b", nil) == 0)
    #expect(try await left("b", BudgetCaps()) == 0)
  }
}

@Suite("Plans")
struct PurchasePlanTests {
  @Test("Each purchase is judged as if those before it that are allowed had been made")
  func plan() async throws {
    let directory = try TemporaryDirectory("plan")
    let ledger = try await Ledger(stateDirectory: directory.path, clock: HandClock(), timeZone: zone("UTC"))
    let caps = BudgetCaps(total: .micro(1_000), daily: .micro(100), perTask: .micro(90))
    _ = try await ledger.reserve(request("a", microDollars: 20), caps: caps)
    try await ledger.approve(task("c"), upTo: .micro(50), by: reader)
    let names = [("a", 70), ("a", 1), ("b", 11), ("b", 10), ("c", 50), ("c", 50), ("d", 1), ("e", 0)]
    let quotes = try await ledger.plan(names.map { request($0, microDollars: Int64($1)) }, caps: caps)
    #expect(quotes.map(\.isAllowed) == [true, false, false, true, true, false, false, false])
    #expect(quotes[1].refusal?.cap == .perTask && quotes[2].refusal?.cap == .daily)
    #expect(quotes[2].refusal?.left == .micro(10))
    #expect(quotes[4].usesApproval == .micro(50) && quotes[5].usesApproval == nil)
    #expect(quotes.map { $0.budgetLeft?.microDollars } == [70, 0, 10, 10, 0, -50, -50, -50])
    #expect(try await ledger.events().count == 2)
    // Alone, each says what a quote says.
    for quote in try await ledger.plan([request("b", microDollars: 11)], caps: caps) {
      #expect(try await ledger.quote(request("b", microDollars: 11), caps: caps) == quote)
    }
  }
}
