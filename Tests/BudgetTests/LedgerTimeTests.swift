import Foundation
import Synchronization
import Tasks
import TestSupport
import Testing

@testable import Budget

@Suite("Which clock is believed")
struct LedgerTimeTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    var zone = "UTC"
    let last: String?
    let machine: String
    var vouched: String?
    let now: String
    var doubt = false
    var testDescription: String { name }
  }

  static let cases = [
    Case(name: "an empty ledger", last: nil, machine: "2026-03-14T12:00:00Z", now: "2026-03-14T12:00:00Z"),
    Case(
      name: "an empty ledger, an API that disagrees", last: nil, machine: "2037-01-01T00:00:00Z",
      vouched: "2026-03-14T12:00:00Z", now: "2026-03-14T12:00:30Z", doubt: true),
    Case(
      name: "later on the same day", last: "2026-03-14T12:00:00Z", machine: "2026-03-14T23:59:59Z",
      now: "2026-03-14T23:59:59Z"),
    Case(
      name: "backwards", last: "2026-03-14T12:00:00Z", machine: "2026-03-13T12:00:00Z", now: "2026-03-14T12:00:00Z"),
    Case(
      name: "backwards, and the API too", last: "2026-03-14T12:00:00Z", machine: "2026-03-13T12:00:00Z",
      vouched: "2026-03-13T12:00:00Z", now: "2026-03-14T12:00:00Z"),
    Case(
      name: "a new day, unconfirmed", last: "2026-03-14T12:00:00Z", machine: "2026-03-15T00:00:00Z",
      now: "2026-03-14T12:00:00Z", doubt: true),
    Case(
      name: "a new day, confirmed", last: "2026-03-14T12:00:00Z", machine: "2026-03-15T00:00:00Z",
      vouched: "2026-03-15T00:00:01Z", now: "2026-03-15T00:00:00Z"),
    Case(
      name: "a new day, confirmed by an answer that was a while on its way", last: "2026-03-14T12:00:00Z",
      machine: "2026-03-15T00:00:05Z", vouched: "2026-03-14T23:59:50Z", now: "2026-03-15T00:00:05Z"),
    Case(
      name: "a new day by the API alone", last: "2026-03-14T12:00:00Z", machine: "2026-03-14T13:00:00Z",
      vouched: "2026-03-15T13:00:00Z", now: "2026-03-14T13:00:00Z"),
    Case(
      name: "years ahead, and the API isn't", last: "2026-03-14T12:00:00Z", machine: "2037-01-01T00:00:00Z",
      vouched: "2026-03-14T12:05:00Z", now: "2026-03-14T12:05:30Z", doubt: true),
    Case(
      name: "an API that jumps back by itself", last: "2026-03-14T12:00:00Z", machine: "2026-03-14T12:10:00Z",
      vouched: "2001-01-01T00:00:00Z", now: "2026-03-14T12:00:00Z"),
    Case(
      name: "the end of a month", last: "2026-01-31T23:00:00Z", machine: "2026-02-01T00:00:00Z",
      now: "2026-01-31T23:00:00Z", doubt: true),
    // 23 hours: the day ends at 22:00 UTC, and the 24th hour after its beginning is the next day already.
    Case(
      name: "the day on which the clocks go forward", zone: "Europe/Berlin", last: "2026-03-28T23:30:00Z",
      machine: "2026-03-29T22:00:00Z", now: "2026-03-28T23:30:00Z", doubt: true),
    // 25 hours: 23:30 UTC on the 24th is still the 25th at 22:59 UTC of the day after.
    Case(
      name: "the day on which they go back", zone: "Europe/Berlin", last: "2026-10-24T22:00:00Z",
      machine: "2026-10-25T22:59:59Z", now: "2026-10-25T22:59:59Z"),
  ]

  @Test("The moment that counts", arguments: cases)
  func moment(_ example: Case) {
    let time = LedgerTime(
      machine: date(example.machine), vouched: example.vouched.map { date($0) }, last: example.last.map { date($0) },
      timeZone: zone(example.zone))
    #expect(time.now == date(example.now))
    #expect((time.doubt != nil) == example.doubt)
    if let doubt = time.doubt { #expect(doubt.machine == date(example.machine)) }
  }

  @Test("Whatever the clocks say: never backwards, never beyond the machine, never into a day that no API confirmed")
  func always() {
    let seed = UInt64.random(in: 0...(.max))
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    let start = date("2026-03-27T00:00:00Z")
    var last: Date?
    for _ in 0..<3_000 {
      func jump() -> Date { start.addingTimeInterval(Double.random(in: -1e6...1e6, using: &generator)) }
      let time = LedgerTime(
        machine: jump(), vouched: Bool.random(using: &generator) ? jump() : nil, last: last,
        timeZone: zone("America/New_York"))
      let now = time.now
      if let last {
        #expect(now >= last)
        #expect(now == last || now <= time.machine)
        let today = BudgetWindows(at: last, timeZone: time.timeZone).day
        if now >= today.end {
          #expect(time.vouched.map { now <= $0.addingTimeInterval(LedgerTime.tolerance) } == true)
        }
      }
      // Not always written down, and begun anew now and then, else the end of the range is soon reached.
      if Int.random(in: 0..<3, using: &generator) == 0 { last = now }
      if Int.random(in: 0..<20, using: &generator) == 0 { last = jump() }
    }
  }
}

@Suite("Windows that open and close")
struct LedgerClockTests {
  let directory: TemporaryDirectory
  let clock = HandClock("2026-03-14T12:00:00Z")
  let api = Mutexed<Date>()
  private let caps = BudgetCaps(daily: .micro(10))

  final class Mutexed<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    func get() -> Value? { value.withLock { $0 } }
    func set(_ new: Value?) { value.withLock { $0 = new } }
  }

  init() throws { directory = try TemporaryDirectory("clock") }

  private func open(_ zoneName: String = "UTC") async throws -> Ledger {
    try await Ledger(
      stateDirectory: directory.path, clock: clock, vouchedTime: { [api] in api.get() }, timeZone: zone(zoneName))
  }

  private func attempt(_ ledger: Ledger, _ caps: BudgetCaps? = nil) async throws -> Refusal? {
    let caps = caps ?? self.caps
    return try await refusal { _ = try await ledger.reserve(request("a", microDollars: 10), caps: caps) }
  }

  @Test("A bogus jump opens nothing, is explained, and keeps nothing shut once the clock is right again")
  func bogus() async throws {
    let ledger = try await open()
    #expect(try await attempt(ledger) == nil)
    clock.set(date("2037-01-01T00:00:00Z"))
    let refused = try #require(try await attempt(ledger))
    #expect(
      refused.reason.hasSuffix("; this machine's clock says 2037-01-01T00:00:00Z, which no API has confirmed yet"))
    #expect(refused.remedy.hasSuffix("or look at the task's `status`, with whose answer the API tells the time"))
    #expect(!refused.remedy.contains("wait"))
    #expect(try await ledger.wantsVouchedTime())
    // Events that are no purchases don't carry the wrong time into the ledger either.
    try await ledger.approve(task("b"), upTo: .micro(1), by: reader)
    try await ledger.settle(1, bytes: ByteCount(10), cost: .micro(10))
    #expect(try await ledger.events().map(\.time).max() == date("2026-03-14T12:00:00Z"))
    #expect(try await ledger.events().last?.clock == date("2037-01-01T00:00:00Z"))
    let summary = try await ledger.summary(caps: caps)
    #expect(summary.now == date("2026-03-14T12:00:00Z") && summary.doubt != nil)
    #expect(LedgerText.budget(summary).contains("note: this machine's clock says 2037-01-01T00:00:00Z, which no API"))
    // The API contradicts.
    api.set(date("2026-03-14T12:01:00Z"))
    #expect(try await attempt(ledger)?.reason.contains("but the API's 2026-03-14T12:01:00Z") == true)
    // The clock is mended, and the next day begins.
    clock.set(date("2026-03-15T08:00:00Z"))
    #expect(try await attempt(ledger) != nil)
    api.set(date("2026-03-15T08:00:00Z"))
    #expect(try await !ledger.wantsVouchedTime())
    #expect(try await attempt(ledger) == nil)
    #expect(try await attempt(ledger) != nil)
    #expect(try await ledger.audit() == [])
  }

  @Test("One process's confirmed day is every other's")
  func others() async throws {
    let (first, second) = (try await open(), try await Ledger(stateDirectory: directory.path, clock: clock))
    #expect(try await attempt(first) == nil)
    clock.set(date("2026-03-15T08:00:00Z"))
    #expect(try await attempt(second) != nil)
    api.set(clock.now())
    #expect(try await attempt(first) == nil)
    #expect(try await second.summary(caps: caps).doubt == nil)
    #expect(try await attempt(second)?.reason.contains("clock") == false)
  }

  @Test(
    "Days and months end in local time, also where the clocks change",
    arguments: [
      ("Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
      ("Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
      ("America/New_York", "2026-01-31T05:00:00Z", "2026-02-01T05:00:00Z"),
      ("Asia/Beirut", "2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"),
    ])
  func ends(zoneName: String, begin: String, end: String) async throws {
    let ledger = try await open(zoneName)
    for moment in [date(begin), date(end).addingTimeInterval(-0.001)] {
      clock.set(moment)
      api.set(moment)
      let isFirst = moment == date(begin)
      #expect(try await attempt(ledger).map(\.resetsAt) == (isFirst ? nil : .some(date(end))))
    }
    clock.set(date(end))
    api.set(date(end))
    #expect(try await attempt(ledger) == nil)
    let monthly = BudgetCaps(monthly: .micro(20))
    let sameMonth = begin.prefix(7) == end.prefix(7) && !begin.contains("01-31")
    #expect((try await attempt(ledger, monthly) != nil) == sameMonth)
  }

  @Test("In another time zone the caps hold for that zone's day")
  func travelled() async throws {
    // 23:30 on the 14th in Berlin, 07:30 on the 15th in Tokyo.
    clock.set(date("2026-03-14T14:00:00Z"))
    #expect(try await attempt(try await open("Europe/Berlin")) == nil)
    clock.set(date("2026-03-14T22:30:00Z"))
    #expect(try await attempt(try await open("Europe/Berlin")) != nil)
    let tokyo = try await open("Asia/Tokyo")
    // Its day began at 15:00 UTC, an hour after what was bought; that an API must confirm.
    #expect(try await attempt(tokyo)?.resetsAt == date("2026-03-14T15:00:00Z"))
    api.set(clock.now())
    #expect(try await attempt(tokyo) == nil)
    #expect(try await attempt(tokyo)?.resetsAt == date("2026-03-15T15:00:00Z"))
    // Back in Berlin both purchases lie in the 14th.
    #expect(try await open("Europe/Berlin").summary(caps: caps).windows[2].left == .micro(-10))
  }
}
