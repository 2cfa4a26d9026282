import Foundation
import Logging
import Tasks
import TestSupport
import Testing

@testable import Budget

@Suite("The ledger")
struct LedgerTests {
  let directory: TemporaryDirectory
  let clock = HandClock()

  init() throws {
    directory = try TemporaryDirectory("ledger")
  }

  private func open(_ zoneName: String = "UTC") async throws -> Ledger {
    try await Ledger(
      stateDirectory: directory.path, clock: clock, vouchedTime: { [clock] in clock.now() }, timeZone: zone(zoneName))
  }

  private let caps = BudgetCaps(total: .micro(1_000))

  @Test("Directory and file are for this user alone, and what was written is there after reopening")
  func files() async throws {
    let state = directory.file("a/b")
    let ledger = try await Ledger(stateDirectory: state, clock: clock)
    _ = try await ledger.reserve(request("a", microDollars: 10), caps: caps)
    for (path, mode) in [
      ("", 0o700), ("/ledger.sqlite", 0o600), ("/ledger.sqlite-wal", 0o600), ("/ledger.lock", 0o600),
    ] {
      let attributes = try FileManager.default.attributesOfItem(atPath: state + path)
      #expect(attributes[.posixPermissions] as? Int == mode, "\(path)")
    }
    let again = try await Ledger(stateDirectory: state, clock: clock)
    #expect(try await again.chargedSoFar(for: task("a")) == .micro(10))
    #expect(try await again.purchases().map(\.state) == [.reserved])
  }

  @Test("A byte more than a whole micro-dollar buys is reserved, and refused, as a whole one more")
  func roundedUp() async throws {
    let ledger = try await open()
    let odd = PurchaseRequest(
      task: task("a"), path: "a", price: PricePerGigabyte(dollars("0.12")), requester: reader,
      expected: Estimate(bytes: ByteCount(1_000_000_001), basis: .exact, evidence: ""))
    let refused = try await refusal { _ = try await ledger.reserve(odd, caps: BudgetCaps(perOpen: dollars("0.12"))) }
    #expect(refused?.needed == .micro(120_001))
    let reservation = try await ledger.reserve(odd, caps: BudgetCaps(perOpen: dollars("0.120001")))
    #expect(reservation.cost == .micro(120_001))
  }

  @Test("Reserved, overrun, settled: what counts at each step")
  func lifecycle() async throws {
    let ledger = try await open()
    let reservation = try await ledger.reserve(request("a", microDollars: 100), caps: caps)
    #expect(reservation == Reservation(id: 1, cost: .micro(100), task: task("a"), bytes: ByteCount(100_000), open: 1))
    try await ledger.recordOverrun(1, bytesSoFar: ByteCount(90_000), costSoFar: .micro(90))
    #expect(try await ledger.chargedSoFar(for: task("a")) == .micro(100))
    try await ledger.recordOverrun(1, bytesSoFar: ByteCount(150_000), costSoFar: .micro(150))
    #expect(try await ledger.chargedSoFar(for: task("a")) == .micro(150))
    #expect(try await ledger.purchases().first?.isOverrun == true)
    try await ledger.settle(1, bytes: ByteCount(140_000), cost: .micro(140))
    try await ledger.settle(1, bytes: ByteCount(140_000), cost: .micro(140))
    let purchase = try #require(try await ledger.purchases().first)
    #expect(purchase.state == .settled && purchase.charge == .micro(140) && purchase.bytes == ByteCount(140_000))
    #expect(purchase.requester == reader && purchase.path == "screenplay/a/results")
    #expect(try await ledger.events().map(\.kind) == [.reserved, .overrun, .settled])
    #expect(try await ledger.events(after: 1, limit: 1).map(\.kind) == [.overrun])
    #expect(try await ledger.audit() == [])
  }

  @Test("A released purchase counts nothing, an unsettled one what was put aside or what was seen")
  func endings() async throws {
    let ledger = try await open()
    for name in ["a", "b", "c"] { _ = try await ledger.reserve(request(name, microDollars: 100), caps: caps) }
    try await ledger.release(1, reason: "the API said no")
    try await ledger.leaveUnsettled(2, bytesSeen: ByteCount(5), costSeen: .micro(1), reason: "broken off")
    try await ledger.leaveUnsettled(3, bytesSeen: ByteCount(170_000), costSeen: .micro(170), reason: "broken off")
    #expect(try await ledger.purchases().map(\.charge) == [.zero, .micro(100), .micro(170)])
    #expect(try await ledger.purchases().map(\.state) == [.released, .unsettled, .unsettled])
    let summary = try await ledger.summary(caps: caps)
    #expect(summary.unsettled == .micro(270))
    let total = try #require(summary.windows.first)
    #expect(total.spent == .micro(270) && total.reserved == .zero && total.left == .micro(730))
    // What nobody knew can still be learned.
    try await ledger.settle(3, bytes: ByteCount(160_000), cost: .micro(160))
    #expect(try await ledger.summary(caps: caps).unsettled == .micro(100))
  }

  @Test("What is over can't be changed, and what isn't there neither")
  func impossible() async throws {
    let ledger = try await open()
    _ = try await ledger.reserve(request("a", microDollars: 100), caps: caps)
    try await ledger.settle(1, bytes: ByteCount(1), cost: .micro(1))
    let attempts: [@Sendable () async throws -> Void] = [
      { try await ledger.settle(1, bytes: ByteCount(1), cost: .micro(2)) },
      { try await ledger.release(1, reason: "") },
      { try await ledger.recordOverrun(1, bytesSoFar: ByteCount(9), costSoFar: .micro(9)) },
      { try await ledger.leaveUnsettled(1, bytesSeen: .zero, costSeen: .zero, reason: "") },
      { try await ledger.settle(2, bytes: .zero, cost: .zero) },
    ]
    for attempt in attempts { #expect(try await ledgerFault(attempt) != nil) }
    #expect(try await ledger.events().count == 2)
    #expect(try await ledger.purchases().first?.charge == .micro(1))
  }

  @Test("A negative charge is no refund")
  func negative() async throws {
    let ledger = try await open()
    _ = try await ledger.reserve(request("a", microDollars: 100), caps: caps)
    let fault = try await ledgerFault { try await ledger.settle(1, bytes: .zero, cost: .micro(-1)) }
    #expect(fault?.contains("CHECK") == true)
    #expect(try await ledger.chargedSoFar(for: task("a")) == .micro(100))
  }

  @Test("Charges beyond all bounds leave the ledger usable")
  func saturated() async throws {
    let ledger = try await open()
    let absurd = PurchaseRequest(
      task: task("a"), path: "a", price: PricePerGigabyte(.micro(.max)), requester: reader,
      expected: Estimate(bytes: ByteCount(Int64.max), basis: .assumed, evidence: ""))
    for _ in 1...3 { _ = try await ledger.reserve(absurd, caps: BudgetCaps(perOpen: .micro(.max))) }
    #expect(try await ledger.chargedSoFar(for: task("a")) == .micro(.max))
    let refused = try await refusal { _ = try await ledger.reserve(request("b", microDollars: 1), caps: caps) }
    #expect(refused?.cap == .total)
  }

  @Test("A refused purchase leaves no trace, and a quote says the same without reserving")
  func refused() async throws {
    let ledger = try await open()
    _ = try await ledger.reserve(request("a", microDollars: 990), caps: caps)
    let quote = try await ledger.quote(request("a", microDollars: 11), caps: caps)
    let found = try await refusal { _ = try await ledger.reserve(request("a", microDollars: 11), caps: caps) }
    #expect(found != nil && quote.refusal == found && !quote.isAllowed)
    #expect(quote.chargedSoFar == .micro(990) && quote.budgetLeft == .micro(10) && quote.tightestCap == .total)
    #expect(try await ledger.quote(request("b", microDollars: 10), caps: caps).isAllowed)
    #expect(try await ledger.quote(request("b", microDollars: 10), caps: nil).refusal?.cap == nil)
    #expect(try await ledger.events().count == 1)
  }

  @Test("An approval lets one purchase through, comes back when that one is released, and can be replaced")
  func approvals() async throws {
    let ledger = try await open()
    let caps = BudgetCaps(total: .micro(1_000), daily: .micro(10))
    func attempt(_ cost: Int64) async throws -> Bool {
      try await refusal { _ = try await ledger.reserve(request("a", microDollars: cost), caps: caps) } == nil
    }
    try await ledger.approve(task("a"), upTo: .micro(200), by: reader)
    try await ledger.approve(task("a"), upTo: .micro(100), by: reader)
    #expect(try await !attempt(101))
    #expect(try await ledger.quote(request("a", microDollars: 100), caps: caps).usesApproval == .micro(100))
    // One that fits by itself leaves the approval alone.
    #expect(try await attempt(10))
    #expect(try await attempt(100))
    #expect(try await !attempt(100))
    try await ledger.release(2, reason: "the API said no")
    #expect(try await ledger.summary(caps: caps).approvals.map(\.upTo) == [.micro(100)])
    #expect(try await attempt(90))
    #expect(try await ledger.summary(caps: caps).approvals == [])
    try await ledger.settle(3, bytes: ByteCount(1), cost: .micro(1))
    #expect(try await !attempt(90))
    #expect(try await ledger.purchases().map(\.approval) == [nil, nil, .micro(100)])
    #expect(try await ledger.audit() == [])
  }

  @Test("The next day opens the daily window, a clock that runs backwards reopens nothing")
  func clockRuns() async throws {
    let ledger = try await open("Europe/Berlin")
    let caps = BudgetCaps(daily: .micro(10))
    func attempt() async throws -> Bool {
      try await refusal { _ = try await ledger.reserve(request("a", microDollars: 10), caps: caps) } == nil
    }
    clock.set(date("2026-03-14T22:59:59Z"))
    #expect(try await attempt())
    #expect(try await !attempt())
    clock.set(date("2026-03-14T23:00:00Z"))
    #expect(try await attempt())
    for back in ["2026-03-14T12:00:00Z", "2026-03-13T12:00:00Z", "2020-01-01T00:00:00Z"] {
      clock.set(date(back))
      #expect(try await !attempt())
      #expect(try await ledger.summary(caps: caps).now == date("2026-03-14T23:00:00Z"))
    }
    try await ledger.settle(2, bytes: ByteCount(1), cost: .micro(1))
    let times = try await ledger.events().map(\.time)
    #expect(times == times.sorted())
    #expect(try await open().summary(caps: caps).now == date("2026-03-14T23:00:00Z"))
  }

  @Test("Estimates come from the ledger's own settled purchases")
  func estimates() async throws {
    let ledger = try await open("Europe/Berlin")
    let caps = BudgetCaps(total: dollars("100"), assumeUnknown: ByteCount(50))
    #expect(try await ledger.estimate(for: task("a"), knownSize: nil, caps: caps).evidence == "assume_unknown")
    clock.set(date("2026-03-14T23:30:00Z"))
    for size in 1...20 {
      let reservation = try await ledger.reserve(request("t\(size)", microDollars: 1), caps: caps)
      try await ledger.settle(reservation.id, bytes: ByteCount(size * 100), cost: .micro(1))
    }
    let other = try await ledger.reserve(request("other/x", microDollars: 1), caps: caps)
    try await ledger.settle(other.id, bytes: ByteCount(1_000_000), cost: .micro(1))
    #expect(
      try await ledger.estimate(for: task("a"), knownSize: nil, caps: caps)
        == Estimate(bytes: ByteCount(1_900), basis: .assumed, evidence: "95th percentile of 20 downloads"))
    #expect(
      try await ledger.estimate(for: task("t3"), knownSize: nil, caps: caps)
        == Estimate(bytes: ByteCount(300), basis: .exact, evidence: "its own download of 2026-03-15"))
    #expect(try await ledger.estimate(for: task("a"), knownSize: ByteCount(7), caps: caps).bytes == ByteCount(7))
    let broken = try await ledger.reserve(request("b", microDollars: 1), caps: caps)
    try await ledger.leaveUnsettled(broken.id, bytesSeen: ByteCount(5_000), costSeen: .micro(5), reason: "broken off")
    #expect(try await ledger.estimate(for: task("b"), knownSize: nil, caps: caps).bytes == ByteCount(5_000))
  }

  @Test("What is written stays written when the task that asked is cancelled")
  func cancelled() async throws {
    let ledger = try await open()
    let caps = caps
    let worker = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      let reservation = try await ledger.reserve(request("a", microDollars: 100), caps: caps)
      try await ledger.settle(reservation.id, bytes: ByteCount(1), cost: .micro(1))
    }
    try await worker.value
    #expect(try await ledger.purchases().map(\.charge) == [.micro(1)])
  }

  @Test("Only the reservations of ended processes become unsettled, at opening and at every report")
  func orphans() async throws {
    let me = ProcessIdentity.current()
    #expect(!me.isGone(seenFrom: me))
    let child = try await ChildProcess.start("/bin/cat", ["/dev/zero"])
    defer { child.send(SIGKILL) }
    let living = ProcessIdentity(
      processID: child.processID, startTime: try #require(ProcessIdentity.startTime(of: child.processID)),
      bootID: me.bootID, namespace: me.namespace)
    let open = { (owner: ProcessIdentity) in
      try await Ledger(
        stateDirectory: directory.path,
        timekeeper: Timekeeper(clock: clock, vouchedTime: { nil }, timeZone: zone("UTC")),
        logger: Logger(label: "test"), owner: owner, isGone: { candidate, _ in candidate.isGone(seenFrom: me) })
    }
    let childs = try await open(living)
    _ = try await childs.reserve(request("a", microDollars: 100), caps: caps)
    let mine = try await open(me)
    _ = try await mine.reserve(request("b", microDollars: 100), caps: caps)
    #expect(try await mine.purchases().map(\.state) == [.reserved, .reserved])
    child.send(SIGKILL)
    _ = await child.outcome()
    #expect(try await mine.summary(caps: caps).unsettled == .micro(100))
    let purchases = try await open(me).purchases()
    #expect(purchases.map(\.state) == [.unsettled, .reserved])
    #expect(purchases.map(\.charge) == [.micro(100), .micro(100)])
    #expect(purchases.first?.reason.contains("\(child.processID)") == true)
    #expect(try await mine.audit() == [])
  }

  @Test("A process is told apart from a later one with its number, and from one of another boot or namespace")
  func identities() {
    let me = ProcessIdentity.current()
    func other(pid: Int32? = nil, start: Int64? = nil, boot: String? = nil, namespace: String? = nil) -> ProcessIdentity
    {
      ProcessIdentity(
        processID: pid ?? me.processID, startTime: start ?? me.startTime, bootID: boot ?? me.bootID,
        namespace: namespace ?? me.namespace)
    }
    #expect(me.startTime > 0 && !me.bootID.isEmpty && me.namespace.hasPrefix("pid:["))
    #expect(other(start: me.startTime + 1).isGone(seenFrom: me))
    #expect(other(boot: "another").isGone(seenFrom: me))
    #expect(!other(start: 0).isGone(seenFrom: me))
    #expect(!other(boot: "").isGone(seenFrom: me))
    // Beyond the largest number that Linux gives to a process (2^22).
    #expect(other(pid: 1 << 22 + 1).isGone(seenFrom: me))
    #expect(!other(pid: 1 << 22 + 1, namespace: "pid:[1]").isGone(seenFrom: me))
    let fields = "S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 98765 8 9"
    #expect(ProcessIdentity.startTime(inStat: "7 (a) b) \(fields)") == 98_765)
    #expect(ProcessIdentity.startTime(inStat: "7 (a) S 1 2") == nil)
    #expect(ProcessIdentity.startTime(inStat: "") == nil)
    #expect(ProcessIdentity.isDead(inStat: "7 (a) Z) Z 1 2"))
    #expect(!ProcessIdentity.isDead(inStat: "7 (a) Z) S 1 2"))
    #expect(!ProcessIdentity.isDead(inStat: ""))
  }
}
