import Foundation
import GRDB
import Logging
import Synchronization
import Tasks
import TestSupport
import Testing

@testable import Budget

/// One random life of a ledger beside the reference: several processes, clocks that go wrong, a disk that fills up.
struct LedgerScenario {
  /// A process that has the ledger open.
  struct Opener {
    var owner: Int32
    var ledger: Ledger
    /// How far the time that an API has told it is from the true one; nil when it has heard none.
    let vouched: Shared<TimeInterval?>
    /// Whether its disk is full.
    var isFull = false
  }

  /// The clocks of the world, which all openers look at.
  struct World: Sendable {
    var time = date("2026-03-27T20:00:00Z")
    /// How wrong the machine's clock is.
    var error: TimeInterval = 0
    var ended: Set<Int32> = []
    var machine: Date { time + error }
  }

  final class Shared<Value: Sendable>: Sendable {
    private let stored: Mutex<Value>
    init(_ value: Value) { stored = Mutex(value) }
    var value: Value { stored.withLock { $0 } }
    func change(_ body: @Sendable (inout Value) -> Void) { stored.withLock { body(&$0) } }
  }

  struct MachineClock: BudgetClock {
    let world: Shared<World>
    func now() -> Date { world.value.machine }
  }

  let directory: TemporaryDirectory
  let world = Shared(World())
  let timeZone: TimeZone
  var generator: SeededGenerator
  var reference: ReferenceLedger
  var caps: BudgetCaps?
  var openers: [Opener] = []
  private var lastOwner: Int32 = 0
  let tasks = ["a", "b", "c", "pixxel/w/j/t"].map(task)

  init(seed: UInt64) async throws {
    directory = try TemporaryDirectory("model")
    generator = SeededGenerator(seed: seed)
    let names = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"]
    timeZone = zone(names[Int(seed % 4)])
    reference = ReferenceLedger(timeZone: timeZone)
    for _ in 0..<Int(number(2...4)) { openers.append(try await newOpener()) }
    // Estimates by episodes need many downloads; few scenarios would get there by chance.
    if number(1...4) == 1 { try await learn(Int(number(15...45))) }
    caps = randomCaps()
  }

  mutating func number(_ range: ClosedRange<Int64>) -> Int64 { .random(in: range, using: &generator) }

  private mutating func newOpener() async throws -> Opener {
    lastOwner += 1
    let vouched = Shared<TimeInterval?>(nil)
    let ledger = try await open(lastOwner, vouched)
    return Opener(owner: lastOwner, ledger: ledger, vouched: vouched)
  }

  private func open(_ owner: Int32, _ vouched: Shared<TimeInterval?>) async throws -> Ledger {
    let world = world
    return try await Ledger(
      stateDirectory: directory.path,
      timekeeper: Timekeeper(
        clock: MachineClock(world: world), vouchedTime: { vouched.value.map { world.value.time + $0 } },
        timeZone: timeZone),
      logger: Logger(label: "model") { _ in SwiftLogNoOpLogHandler() },
      owner: ProcessIdentity(processID: owner, startTime: 1, bootID: "boot", namespace: "here"),
      isGone: { candidate, _ in world.value.ended.contains(candidate.processID) })
  }

  private mutating func randomCaps() -> BudgetCaps? {
    guard number(1...12) > 1 else { return nil }
    var caps = BudgetCaps(assumeUnknown: ByteCount(number(0...200) * 1_000))
    if number(1...2) == 1 { caps.total = .micro(number(0...2_000)) }
    if number(1...2) == 1 { caps.monthly = .micro(number(0...900)) }
    if number(1...2) == 1 { caps.daily = .micro(number(0...300)) }
    if number(1...3) == 1 { caps.perTask = .micro(number(0...700)) }
    if number(1...3) == 1 { caps.perOpen = .micro(number(0...150)) }
    return caps
  }

  /// A history of finished downloads.
  private mutating func learn(_ count: Int) async throws {
    for _ in 0..<count {
      let (cost, episodes) = (number(1...200), Int(number(1...60)))
      let request = request("old", microDollars: 1, episodes: episodes)
      let moment = moment(0)
      let reservation = try await openers[0].ledger.reserve(request, caps: BudgetCaps(perOpen: .micro(1)))
      try await openers[0].ledger.settle(reservation.id, bytes: ByteCount(cost * 1_000), cost: .micro(cost))
      reference.reserve(task("old"), 1, .allowed, owner: 1, episodes: episodes, open: nil, at: moment)
      reference.settle(reference.entries.count - 1, cost: cost, size: cost)
    }
  }

  /// The moment that counts for one opener.
  func moment(_ side: Int) -> Date {
    let vouched = openers[side].vouched.value.map { world.value.time + $0 }
    return reference.moment(machine: world.value.machine, vouched: vouched)
  }

  // MARK: Steps

  mutating func step() async throws {
    let side = Int(number(0...Int64(openers.count - 1)))
    switch number(1...28) {
    case 1...8: try await reserve(side)
    case 9...10: try await extend(side)
    case 11...17: try await follow(side)
    case 18: try await approve(side)
    case 19: try await correct(side)
    case 20...21: moveClock()
    case 22: try await hear(side)
    case 23: caps = randomCaps()
    case 24: openers[side].ledger = try await open(openers[side].owner, openers[side].vouched)
    case 25...26: try await setFull(side, number(1...2) == 1)
    case 27: try await ask(side)
    default: try await crash(side)
    }
    try await compare(Int(number(0...Int64(openers.count - 1))))
  }

  /// Runs a call that writes.
  /// - Returns: whether it did. A full disk may refuse it, and then nothing may have changed.
  private func write(_ side: Int, _ body: (Ledger) async throws -> Void) async throws -> Bool {
    do {
      try await body(openers[side].ledger)
      return true
    } catch BudgetFailure.ledger(let reason) where openers[side].isFull {
      #expect(reason.contains("the disk is full"))
      return false
    }
  }

  private mutating func reserve(_ side: Int) async throws {
    let task = tasks[Int(number(0...3))]
    let cost = number(0...110)
    let episodes = number(1...3) == 1 ? Int(number(1...60)) : nil
    let moment = moment(side)
    let expected = reference.verdict(task, cost, caps, open: nil, at: moment)
    let request = request(task.description, microDollars: cost, episodes: episodes)
    let caps = caps
    let quote = try await openers[side].ledger.quote(request, caps: caps)
    #expect(quote.isAllowed == (expected != .refused))
    #expect((quote.usesApproval != nil) == (expected == .usingApproval))
    #expect(try await openers[side].ledger.plan([request], caps: caps) == [quote])
    var refused: Refusal?
    let isWritten = try await write(side) { ledger in
      refused = try await refusal { _ = try await ledger.reserve(request, caps: caps) }
    }
    guard isWritten else { return #expect(expected != .refused) }
    #expect(refused == quote.refusal)
    guard expected != .refused else { return }
    let owner = openers[side].owner
    reference.reserve(task, cost, expected, owner: owner, episodes: episodes, open: nil, at: moment)
    if expected == .allowed { expectCapsKept(task, open: reference.entries.count - 1, at: moment) }
  }

  private mutating func extend(_ side: Int) async throws {
    guard let index = reference.entries.indices.randomElement(using: &generator) else { return }
    let entry = reference.entries[index]
    let cost = number(0...90)
    let moment = moment(side)
    let expected = reference.verdict(entry.task, cost, caps, open: entry.open, at: moment)
    let reservation = Reservation(
      id: Int64(index + 1), cost: .zero, task: entry.task, bytes: .zero, open: Int64(entry.open + 1))
    let more = Estimate(bytes: ByteCount(cost * 1_000), basis: .exact, evidence: "more")
    let caps = caps
    let left = try await openers[side].ledger.budgetLeft(for: entry.task, continuing: reservation, caps: caps)
    #expect(left.microDollars == reference.left(entry.task, caps, open: entry.open, at: moment))
    var refused: Refusal?
    let isWritten = try await write(side) { ledger in
      refused = try await refusal { _ = try await ledger.extend(reservation, by: more, caps: caps) }
    }
    #expect((refused == nil) == (expected != .refused))
    guard isWritten, expected != .refused else { return }
    let owner = openers[side].owner
    reference.reserve(entry.task, cost, expected, owner: owner, episodes: nil, open: entry.open, at: moment)
    if expected == .allowed { expectCapsKept(entry.task, open: entry.open, at: moment) }
  }

  private func expectCapsKept(_ task: TaskPath, open: Int, at moment: Date) {
    for cap in BudgetCap.allCases {
      guard let limit = caps?.limit(of: cap) else { continue }
      #expect(reference.charged(cap, task, open: open, at: moment) <= limit.microDollars, "\(cap) is exceeded")
    }
  }

  private mutating func follow(_ side: Int) async throws {
    guard
      let index = reference.entries.indices.filter({ reference.entries[$0].isOpen }).randomElement(using: &generator)
    else { return }
    let (id, cost, moment) = (Int64(index + 1), number(0...250), moment(side))
    let (bytes, kind) = (ByteCount(cost * 1_000), number(1...5))
    let isNews = cost > reference.entries[index].charge
    let isWritten = try await write(side) { ledger in
      switch kind {
      case 1...2: try await ledger.settle(id, bytes: bytes, cost: .micro(cost))
      case 3: try await ledger.release(id, reason: "no")
      case 4: try await ledger.leaveUnsettled(id, bytesSeen: bytes, costSeen: .micro(cost), reason: "broken")
      default: try await ledger.recordOverrun(id, bytesSoFar: bytes, costSoFar: .micro(cost))
      }
    }
    guard isWritten else { return }
    switch kind {
    case 1...2: reference.settle(index, cost: cost, size: cost)
    case 3: reference.release(index)
    case 4:
      reference.see(index, cost)
      reference.entries[index].state = .unsettled
    default:
      // What is no news writes nothing, so it doesn't move the highest time either.
      guard isNews else { return }
      reference.see(index, cost)
    }
    reference.now = moment
  }

  private mutating func approve(_ side: Int) async throws {
    let (task, amount, moment) = (tasks[Int(number(0...3))], number(0...160), moment(side))
    let isWritten = try await write(side) { try await $0.approve(task, upTo: .micro(amount), by: reader) }
    guard isWritten else { return }
    reference.now = moment
    reference.approvals[task] = amount
  }

  /// A person knows better, or believes to.
  private mutating func correct(_ side: Int) async throws {
    let index = Int(number(0...Int64(reference.entries.count)))
    let (cost, size, moment) = (number(0...250), number(1...2) == 1 ? number(0...250) : nil, moment(side))
    let bytes = size.map { ByteCount($0 * 1_000) }
    let ledger = openers[side].ledger
    let fault = try await ledgerFault {
      _ = try await ledger.correct(Int64(index + 1), cost: .micro(cost), bytes: bytes, by: reader)
    }
    let isPossible = index < reference.entries.count && reference.entries[index].state == .unsettled
    if let fault {
      #expect(!isPossible || (openers[side].isFull && fault.contains("the disk is full")))
    } else {
      #expect(isPossible)
      reference.settle(index, cost: cost, size: size)
      reference.now = moment
    }
  }

  /// Time passes, and the machine's clock is now and then set to something else.
  private mutating func moveClock() {
    let hours = [0, 0, number(0...3), number(0...30), number(0...900)][Int(number(0...4))]
    let seconds = Double(hours) * 3_600 + Double(number(0...3_599_999)) / 1_000
    let error: Double? = [nil, nil, 0, 0, Double(number(-400...400)) * 3_600, 3.2e8][Int(number(0...5))]
    world.change { world in
      world.time += seconds
      if let error { world.error = error }
    }
  }

  /// One opener hears from an API what time it is, or is started anew and knows nothing.
  private mutating func hear(_ side: Int) async throws {
    let told = [nil, -Double(number(0...25)), 0, Double(number(-100...100)) * 3_600][Int(number(0...3))]
    openers[side].vouched.change { $0 = told }
    let doubts = world.value.machine >= BudgetWindows(at: moment(side), timeZone: timeZone).day.end
    #expect(try await openers[side].ledger.wantsVouchedTime() == doubts)
  }

  /// The disk fills up for one opener, by SQLite's own means: every page that the file would have to grow by is refused.
  private mutating func setFull(_ side: Int, _ isFull: Bool) async throws {
    openers[side].isFull = isFull
    try await openers[side].ledger.store.queue.writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA max_page_count = \(isFull ? 1 : 1_000_000)")
    }
  }

  private mutating func ask(_ side: Int) async throws {
    let task = ([task("new")] + tasks)[Int(number(0...4))]
    let episodes = number(1...3) == 1 ? nil : Int(number(1...80))
    let known = number(1...5) == 1 ? number(0...200) : nil
    let assume = (caps?.assumeUnknown ?? BudgetCaps.defaultAssumption).bytes
    let expected = reference.estimate(task, known: known, episodes: episodes, assume: assume / 1_000)
    let estimate = try await openers[side].ledger.estimate(
      for: task, knownSize: known.map { ByteCount($0 * 1_000) }, episodes: episodes, caps: caps)
    #expect((estimate.bytes.bytes + 999) / 1_000 == expected.size, "\(estimate)")
    #expect((estimate.basis == .exact) == expected.isExact)
  }

  /// One of the openers dies; another takes its place.
  private mutating func crash(_ side: Int) async throws {
    let dead = openers[side].owner
    world.change { _ = $0.ended.insert(dead) }
    let orphans = reference.entries.indices.filter {
      reference.entries[$0].state == .reserved && reference.entries[$0].owner == dead
    }
    openers[side] = try await newOpener()
    if !orphans.isEmpty { reference.now = moment(side) }
    for index in orphans { reference.entries[index].state = .unsettled }
  }
}
