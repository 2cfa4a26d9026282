import Foundation
import Logging
import Synchronization
import Tasks
import TestSupport
import Testing

@testable import Budget

/// One random life of a ledger beside the reference.
private struct Scenario {
  let directory: TemporaryDirectory
  let clock = HandClock("2026-03-27T20:00:00Z")
  let timeZone: TimeZone
  var generator: SeededGenerator
  var reference: ReferenceLedger
  var caps: BudgetCaps?
  /// Two openers of one file, as a mount and a command are.
  var ledgers: [Ledger] = []
  var owners: [Int32] = [1, 2]
  let ended = SharedSet()
  let tasks = ["a", "b", "c", "pixxel/w/j/t"].map(task)

  final class SharedSet: Sendable {
    private let members = Mutex<Set<Int32>>([])
    func insert(_ member: Int32) { members.withLock { _ = $0.insert(member) } }
    func contains(_ member: Int32) -> Bool { members.withLock { $0.contains(member) } }
  }

  init(seed: UInt64) async throws {
    directory = try TemporaryDirectory("model")
    generator = SeededGenerator(seed: seed)
    let names = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"]
    timeZone = zone(names[Int(seed % 4)])
    reference = ReferenceLedger(timeZone: timeZone)
    caps = randomCaps()
    for owner in owners { ledgers.append(try await open(owner)) }
  }

  private func open(_ owner: Int32) async throws -> Ledger {
    let ended = ended
    return try await Ledger(
      stateDirectory: directory.path,
      timekeeper: Timekeeper(clock: clock, vouchedTime: { [clock] in clock.now() }, timeZone: timeZone),
      logger: Logger(label: "model") { _ in SwiftLogNoOpLogHandler() },
      owner: ProcessIdentity(processID: owner, startTime: 1, bootID: "boot", namespace: "here"),
      isGone: { candidate, _ in ended.contains(candidate.processID) })
  }

  private mutating func number(_ range: ClosedRange<Int64>) -> Int64 { .random(in: range, using: &generator) }

  private mutating func randomCaps() -> BudgetCaps? {
    guard number(1...12) > 1 else { return nil }
    var caps = BudgetCaps()
    if number(1...2) == 1 { caps.total = .micro(number(0...2_000)) }
    if number(1...2) == 1 { caps.monthly = .micro(number(0...900)) }
    if number(1...2) == 1 { caps.daily = .micro(number(0...300)) }
    if number(1...3) == 1 { caps.perTask = .micro(number(0...700)) }
    if number(1...3) == 1 { caps.perOpen = .micro(number(0...100)) }
    return caps
  }

  /// Moves the clock, and with it the highest time that a writing call will see.
  private mutating func moveClock() {
    let hours = [number(-400...(-1)), 0, 0, number(0...3), number(0...30), number(0...900)][Int(number(0...5))]
    clock.set(clock.now().addingTimeInterval(Double(hours) * 3_600 + Double(number(0...3_599_999)) / 1_000))
  }

  private var moment: Date {
    max(reference.now, Date(milliseconds: clock.now().milliseconds))
  }

  mutating func step() async throws {
    let side = Int(number(0...1))
    let ledger = ledgers[side]
    switch number(1...20) {
    case 1...8: try await reserve(with: ledger, owner: owners[side])
    case 9...14: try await follow(with: ledger)
    case 15:
      let task = tasks[Int(number(0...3))]
      let amount = number(0...120)
      try await ledger.approve(task, upTo: .micro(amount), by: reader)
      reference.now = moment
      reference.approvals[task] = amount
    case 16...17: moveClock()
    case 18: caps = randomCaps()
    case 19: ledgers[side] = try await open(owners[side])
    default: try await crash(side)
    }
    try await compare(with: ledgers[Int(number(0...1))])
  }

  private mutating func reserve(with ledger: Ledger, owner: Int32) async throws {
    let task = tasks[Int(number(0...3))]
    let cost = number(0...110)
    let expected = reference.verdict(task, cost, caps, at: moment)
    let request = request(task.description, microDollars: cost)
    let quote = try await ledger.quote(request, caps: caps)
    #expect(quote.isAllowed == (expected != .refused))
    #expect((quote.usesApproval != nil) == (expected == .approved))
    let (reserver, limits) = (ledger, caps)
    let refused = try await refusal { _ = try await reserver.reserve(request, caps: limits) }
    #expect(refused == quote.refusal)
    guard expected != .refused else { return }
    reference.now = moment
    reference.reserve(task, cost, expected, owner: owner)
    guard expected == .allowed else { return }
    for cap in BudgetCap.allCases {
      guard let limit = caps?.limit(of: cap) else { continue }
      #expect(reference.charged(cap, task, at: moment) <= limit.microDollars, "\(cap) is exceeded")
    }
  }

  private mutating func follow(with ledger: Ledger) async throws {
    guard
      let index = reference.entries.indices.filter({ reference.entries[$0].isOpen }).randomElement(using: &generator)
    else { return }
    let id = Int64(index + 1)
    let cost = number(0...250)
    let bytes = ByteCount(cost * 1_000)
    switch number(1...4) {
    case 1:
      try await ledger.settle(id, bytes: bytes, cost: .micro(cost))
      (reference.entries[index].state, reference.entries[index].real) = (.settled, cost)
    case 2:
      try await ledger.release(id, reason: "no")
      reference.release(index)
    case 3:
      try await ledger.leaveUnsettled(id, bytesSeen: bytes, costSeen: .micro(cost), reason: "broken")
      reference.see(index, cost)
      reference.entries[index].state = .unsettled
    default:
      let isNews = cost > reference.entries[index].charge
      try await ledger.recordOverrun(id, bytesSoFar: bytes, costSoFar: .micro(cost))
      reference.see(index, cost)
      // What is no news writes nothing, so it doesn't move the highest time either.
      guard isNews else { return }
    }
    reference.now = moment
  }

  /// One of the openers dies; another takes its place.
  private mutating func crash(_ side: Int) async throws {
    ended.insert(owners[side])
    let orphans = reference.entries.indices.filter {
      reference.entries[$0].state == .reserved && reference.entries[$0].owner == owners[side]
    }
    owners[side] += 2
    if !orphans.isEmpty { reference.now = moment }
    for index in orphans { reference.entries[index].state = .unsettled }
    ledgers[side] = try await open(owners[side])
  }

  private mutating func compare(with ledger: Ledger) async throws {
    let purchases = try await ledger.purchases()
    #expect(purchases.map(\.state) == reference.entries.map(\.state))
    #expect(purchases.map(\.charge.microDollars) == reference.entries.map(\.charge))
    let summary = try await ledger.summary(caps: caps)
    #expect(summary.now == moment)
    for window in summary.windows where window.cap != .perTask && window.cap != .perOpen {
      let charged = reference.charged(window.cap, tasks[0], at: moment)
      #expect((window.spent + window.reserved).microDollars == charged, "\(window.cap)")
      #expect(window.left == caps?.limit(of: window.cap).map { $0 - .micro(charged) })
    }
    #expect(summary.windows.first?.reserved.microDollars == reference.sum { $0.state == .reserved })
    #expect(summary.unsettled.microDollars == reference.sum { $0.state == .unsettled })
    let approvals = Dictionary(uniqueKeysWithValues: summary.approvals.map { ($0.task, $0.upTo.microDollars) })
    #expect(approvals == reference.approvals)
    let task = tasks[Int(number(0...3))]
    #expect(try await ledger.chargedSoFar(for: task).microDollars == reference.sum { $0.task == task })
  }
}

@Suite("The ledger beside a simple reference")
struct LedgerModelTests {
  /// `TOLLFS_LEDGER_SEED=N` repeats one scenario, `TOLLFS_LEDGER_SCENARIOS=N` runs so many.
  static var seeds: [UInt64] {
    let environment = ProcessInfo.processInfo.environment
    if let seed = environment["TOLLFS_LEDGER_SEED"].flatMap(UInt64.init) { return [seed] }
    let count = environment["TOLLFS_LEDGER_SCENARIOS"].flatMap(Int.init) ?? 16
    return (0..<count).map { _ in UInt64.random(in: 0...(.max)) }
  }

  @Test("Random operations", arguments: seeds)
  func random(seed: UInt64) async throws {
    print("ledger scenario: TOLLFS_LEDGER_SEED=\(seed)")
    var scenario = try await Scenario(seed: seed)
    for step in 1...150 {
      do {
        try await scenario.step()
      } catch {
        Issue.record("step \(step) of seed \(seed): \(error)")
        return
      }
    }
    for ledger in scenario.ledgers { #expect(try await ledger.audit() == []) }
  }
}
