import Foundation
import Tasks
import TestSupport
import Testing

@testable import Budget

@Suite("The ledger as text")
struct LedgerTextTests {
  @Test(
    "Fields are quoted as in RFC 4180",
    arguments: [
      ("", ""), ("cat", "cat"), ("a b", "a b"), ("a,b", "\"a,b\""), ("say \"x\"", "\"say \"\"x\"\"\""),
      ("two\nlines", "\"two\nlines\""), ("dos\r\n", "\"dos\r\n\""), ("\"\u{301}", "\"\"\"\u{301}\""), ("分镜", "分镜"),
    ])
  func quoting(field: String, expected: String) {
    #expect(LedgerText.quoted(field) == expected)
  }

  @Test("Python reads back what went into the CSV")
  func csv() async throws {
    let directory = try TemporaryDirectory("csv")
    let ledger = try await Ledger(stateDirectory: directory.path, clock: HandClock(), timeZone: zone("Europe/Berlin"))
    let caps = BudgetCaps(total: dollars("10"))
    let odd = PurchaseRequest(
      task: task("a,b"), path: "screenplay/a,b/results/\"x\"\n.json", price: PricePerGigabyte(dollars("0.12")),
      requester: Requester(userID: 0, processID: 7, command: "we,\"ird"),
      expected: Estimate(bytes: ByteCount(1_000_000_001), basis: .exact, evidence: "its own download of 2026-03-01"))
    _ = try await ledger.reserve(odd, caps: caps)
    _ = try await ledger.reserve(request("b", microDollars: 5), caps: caps)
    try await ledger.release(2, reason: "Insufficient balance")
    let text = LedgerText.ledgerCSV(try await ledger.purchases())
    #expect(text.hasPrefix("time,source,task,bytes,cost,state,pid,command,"))
    try text.write(toFile: directory.file("ledger.csv"), atomically: true, encoding: .utf8)
    let script = "import csv,json,sys;print(json.dumps(list(csv.DictReader(open(sys.argv[1],newline='')))))"
    let outcome = try await ChildProcess.run("python3", ["-c", script, directory.file("ledger.csv")])
    let rows = try JSONDecoder().decode([[String: String]].self, from: Data(outcome.outputBytes))
    let first = try #require(rows.first)
    #expect(rows.count == 2)
    #expect(first["time"] == "2026-03-14T12:00:00Z" && first["source"] == "screenplay")
    #expect(first["task"] == "screenplay/a,b" && first["bytes"] == "1000000001" && first["cost"] == "0.120001")
    #expect(first["state"] == "reserved" && first["pid"] == "7" && first["command"] == "we,\"ird")
    #expect(first["path"] == "screenplay/a,b/results/\"x\"\n.json" && first["bytes_basis"] == "exact")
    #expect(rows.last?["state"] == "released" && rows.last?["cost"] == "0.000000")
    #expect(rows.last?["reason"] == "Insufficient balance")
    let events = LedgerText.eventsCSV(try await ledger.events())
    #expect(events.split(separator: "\n").last?.hasPrefix("2026-03-14T12:00:00Z,released,2,screenplay,") == true)
  }

  @Test("A ledger longer than a piece is read to its end, each line once")
  func pieces() async throws {
    let directory = try TemporaryDirectory("pieces")
    let ledger = try await Ledger(stateDirectory: directory.path, clock: HandClock(), timeZone: zone("UTC"))
    let caps = BudgetCaps(total: dollars("10"))
    _ = try await ledger.reserve(request("a", microDollars: 5), caps: caps)
    // Purchases that are the same but for their numbers, without 2,500 transactions.
    try await ledger.store.write { db in
      let first = try #require(try LedgerQueries.purchase(1, in: db))
      for id in 2...2_500 { try first.numbered(Int64(id)).save(in: db) }
    }
    let text = String(decoding: try await ledger.ledgerCSV(), as: UTF8.self)
    let ids = text.split(separator: "\n").dropFirst().map {
      $0.split(separator: ",", omittingEmptySubsequences: false)[8]
    }
    #expect(ids == (1...2_500).map { "\($0)" })
    var events = 0
    try await ledger.forEachEvent { _ in events += 1 }
    #expect(events == 1)
  }

  @Test("The budget shows caps, spent, reserved, left and resets")
  func budget() async throws {
    let directory = try TemporaryDirectory("budget")
    let ledger = try await Ledger(stateDirectory: directory.path, clock: HandClock(), timeZone: zone("Europe/Berlin"))
    let caps = BudgetCaps(total: dollars("20"), daily: dollars("1"), perOpen: dollars("0.25"))
    _ = try await ledger.reserve(request("a", microDollars: 120_000), caps: caps)
    _ = try await ledger.reserve(request("b", microDollars: 200_000), caps: caps)
    try await ledger.settle(1, bytes: ByteCount(1), cost: .micro(1))
    try await ledger.approve(task("c"), upTo: dollars("0.4"), by: reader)
    _ = try await ledger.reserve(request("分镜", microDollars: 0), caps: caps)
    #expect(
      LedgerText.budget(try await ledger.summary(caps: caps)) == """
        cap       limit      spent     reserved  left       resets
        total     20.000000  0.000001  0.200000  19.799999  never
        monthly   -          0.000001  0.200000  -          2026-04-01T00:00:00+02:00
        daily     1.000000   0.000001  0.200000  0.799999   2026-03-15T00:00:00+01:00
        per_task  -          0.000000  0.200000  -          never
        per_open  0.250000   -         -         0.250000   every open
        dearest_task: screenplay/b 0.200000
        unsettled: 0.000000
        assume_unknown: 1000000000
        as_of: 2026-03-14T13:00:00+01:00
        approved: screenplay/c up to 0.400000, once

        """)
    let perTask = try await ledger.summary(caps: BudgetCaps(perTask: dollars("0.15"))).windows[3]
    #expect(perTask.cap == .perTask && perTask.left == .micro(-50_000) && perTask.resetsAt == nil)
    let none = LedgerText.budget(try await ledger.summary(caps: nil))
    #expect(none.contains("note: no budget is configured, so nothing billed is opened\n"))
  }
}

extension Purchase {
  fileprivate func numbered(_ id: Int64) -> Purchase {
    Purchase(
      id: id, time: time, task: task, path: path, requester: requester, price: price, estimate: estimate,
      reserved: reserved, state: state, changed: changed, bytes: bytes, charge: charge, seen: seen, reason: reason,
      approval: approval, owner: owner, episodes: episodes, continues: continues, isWhole: isWhole)
  }
}
