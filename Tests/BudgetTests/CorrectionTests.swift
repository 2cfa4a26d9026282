import Foundation
import Tasks
import TestSupport
import Testing

@testable import Budget

@Suite("Unsettled entries and the provider's invoice")
struct CorrectionTests {
  let directory: TemporaryDirectory
  private let caps = BudgetCaps(total: .micro(1_000), assumeUnknown: ByteCount(5))
  private let person = Requester(userID: 501, processID: 99, command: "tollfs")

  init() throws { directory = try TemporaryDirectory("correction") }

  private func open() async throws -> Ledger {
    try await Ledger(stateDirectory: directory.path, clock: HandClock(), timeZone: zone("UTC"))
  }

  private func unsettled(_ ledger: Ledger, _ name: String = "a") async throws -> Int64 {
    let reservation = try await ledger.reserve(request(name, microDollars: 100), caps: caps)
    try await ledger.leaveUnsettled(
      reservation.id, bytesSeen: ByteCount(40_000), costSeen: .micro(40), reason: "the connection broke")
    return reservation.id
  }

  @Test("Less, more and nothing: the invoice counts, and the entry says who said so", arguments: [0, 40, 100, 900])
  func corrected(cost: Int64) async throws {
    let ledger = try await open()
    let id = try await unsettled(ledger)
    let purchase = try await ledger.correct(id, cost: .micro(cost), bytes: ByteCount(77_000), by: person)
    #expect(purchase.state == .settled && purchase.charge == .micro(cost) && purchase.bytes == ByteCount(77_000))
    #expect(purchase.reason == "settled by hand: uid 501, pid 99, tollfs; it counted as 0.000100")
    #expect(purchase.requester == reader)
    let event = try #require(try await ledger.events().last)
    #expect(event.kind == .settled && event.requester == person && event.amount == .micro(cost))
    #expect(try await ledger.summary(caps: caps).windows.first?.left == .micro(1_000 - cost))
    #expect(try await ledger.estimate(for: task("a"), knownSize: nil, caps: caps).bytes == ByteCount(77_000))
    #expect(try await ledger.audit() == [])
    #expect(try await open().audit() == [])
  }

  @Test("An invoice without bytes teaches no size, but what arrived is known")
  func withoutBytes() async throws {
    let ledger = try await open()
    let purchase = try await ledger.correct(try await unsettled(ledger), cost: .micro(70), bytes: nil, by: person)
    #expect(purchase.bytes == ByteCount(40_000) && !purchase.isWhole)
    let again = try await ledger.estimate(for: task("a"), knownSize: nil, caps: caps)
    #expect(again.basis == .assumed && again.bytes == ByteCount(40_000))
    #expect(try await ledger.estimate(for: task("b"), knownSize: nil, caps: caps).evidence == "assume_unknown")
    #expect(try await ledger.audit() == [])
  }

  @Test("Only what is unsettled: everything else says what it is, and stays")
  func refused() async throws {
    let ledger = try await open()
    for name in ["a", "b", "c"] { _ = try await ledger.reserve(request(name, microDollars: 100), caps: caps) }
    try await ledger.settle(2, bytes: ByteCount(1), cost: .micro(7))
    try await ledger.release(3, reason: "no")
    let id = try await unsettled(ledger, "d")
    _ = try await ledger.correct(id, cost: .micro(1), bytes: nil, by: person)
    let before = try await ledger.purchases()
    let pid = ProcessIdentity.current().processID
    for (number, said) in [
      (1, "purchase 1 of screenplay/a is reserved: process \(pid) is still downloading it; only an unsettled"),
      (2, "purchase 2 of screenplay/b is settled already, at 0.000007 dollars; only"),
      (3, "purchase 3 of screenplay/c is released: nothing was charged; only"),
      (4, "purchase 4 of screenplay/d is settled already, at 0.000001 dollars; only"),
      (5, "there is no purchase 5; `tollfs ledger` shows"), (-1, "there is no purchase -1"),
    ] {
      let fault = try await ledgerFault {
        _ = try await ledger.correct(Int64(number), cost: .micro(3), bytes: nil, by: person)
      }
      #expect(fault?.hasPrefix(said) == true, "\(fault ?? "nothing")")
    }
    #expect(try await ledger.purchases() == before)
    let negative = try await ledgerFault {
      _ = try await ledger.correct(try await unsettled(ledger, "e"), cost: .micro(-1), bytes: nil, by: person)
    }
    #expect(negative?.contains("CHECK") == true)
  }

  @Test("A reservation whose process has died is unsettled, and can be corrected at once")
  func orphan() async throws {
    let gone = ProcessIdentity(processID: 1 << 22 + 1, startTime: 1, bootID: "another boot", namespace: "x")
    let dead = try await Ledger(
      stateDirectory: directory.path,
      timekeeper: Timekeeper(clock: HandClock(), vouchedTime: { nil }, timeZone: zone("UTC")),
      logger: .init(label: "test"), owner: gone, isGone: { _, _ in false })
    let ledger = try await open()
    _ = try await dead.reserve(request("a", microDollars: 100), caps: caps)
    #expect(try await ledger.correct(1, cost: .micro(9), bytes: nil, by: person).charge == .micro(9))
  }

  @Test("A process that was taken for dead and settles after all is told that it is too late")
  func tooLate() async throws {
    let ledger = try await open()
    let id = try await unsettled(ledger)
    _ = try await ledger.correct(id, cost: .micro(9), bytes: ByteCount(9), by: person)
    #expect(try await ledgerFault { try await ledger.settle(id, bytes: ByteCount(10), cost: .micro(10)) } != nil)
    try await ledger.settle(id, bytes: ByteCount(9), cost: .micro(9))
    #expect(try await ledger.purchases().map(\.charge) == [.micro(9)])
  }
}
