import APISimulator
import Budget
import Foundation
import Tasks
import TestSupport
import Testing

@testable import tollfs

/// The commands about money, with the simulated API and the built program.
@Suite struct MoneyCommandTests {
  private static let names = (1...4).map { "t\($0)" }

  /// Tasks of 100 KB, which cost 12 micro-dollars each.
  private func withTasks(budget: String, _ body: (Program, APISimulator) async throws -> Void) async throws {
    var settings = APISimulator.Configuration()
    settings.apiKeys = ["sk-mai-test-secret"]
    let tasks = Self.names.map { name in
      SimulatedTask(
        id: name, files: [SimulatedFile(path: "a.json", text: String(repeating: "0123456789", count: 10_000))])
    }
    let simulator = APISimulator(settings, tasks: tasks)
    _ = try await simulator.start()
    let program = try Program()
    try program.write(
      """
      sources:
        screenplay:
          kind: memories-screenplay
          endpoint: \(simulator.endpoint)
          api_key_env: TEST_API_KEY
          rate_limit: 0
          tasks: [\(Self.names.joined(separator: ", "))]
      budget:
        assume_unknown: 200 KB
        \(budget)
      cache:
        directory: cache
        min_free: 0
      state:
        directory: state
      network:
        retries: 0

      """)
    do {
      try await body(program, simulator)
    } catch {
      await simulator.stop()
      throw error
    }
    await simulator.stop()
  }

  private func json(_ outcome: ChildProcess.Outcome) throws -> [[String: Any]] {
    try #require(try JSONSerialization.jsonObject(with: Data(outcome.outputBytes)) as? [[String: Any]])
  }

  @Test func costsAreATableWithATotal() async throws {
    try await withTasks(budget: "daily: 1") { program, simulator in
      let config = program.configuration
      _ = try await program("fetch", "screenplay/t2", "--config", config)
      let all = try await program("cost", "--all", "--config", config)
      #expect(all.status == 0, "\(all.errors)")
      let cells = all.lines.map { $0.split(separator: " ").map(String.init) }
      #expect(cells.first == ["task", "size", "basis", "cost", "verdict", "reason"])
      #expect(cells.dropFirst().map { $0[0] } == Self.names.map { "screenplay/\($0)" } + ["total"])
      #expect(cells[2].contains("cached") && cells[1].contains("allowed"))
      // Three of 200 KB each, rounded up each; what is cached is not fetched.
      #expect(cells.last == ["total", "600.00", "kB", "0.000072"])
      let some = try await program("cost", "screenplay/t1", "screenplay/t3", "--config", config)
      #expect(some.lines.count == 4 && some.lines.last?.contains("0.000048") == true)
      let one = try await program("cost", "screenplay/t1", "--config", config)
      #expect(one.output.hasPrefix("price_per_gb: 0.120000\n"))
      let shown = try json(try await program("cost", "--all", "--json", "--config", config))
      #expect(shown.map { $0["verdict"] as? String } == ["allowed", "cached", "allowed", "allowed"])
      #expect(simulator.counters().total.download == 1)
      for words in [["cost"], ["cost", "--all", "screenplay/t1"], ["cost", "screenplay/a/b"]] {
        let outcome = try await ChildProcess.run(
          Program.path, words + ["--config", config], environment: ["TEST_API_KEY": "x"], timeout: 60)
        #expect(outcome.status == 64, "\(words)")
      }
    }
  }

  @Test func aDryRunCountsTheMoneyOfWhatComesBefore() async throws {
    try await withTasks(budget: "daily: 0.000050") { program, simulator in
      let config = program.configuration
      let paths = Self.names.map { "screenplay/\($0)" }
      // 24 micro-dollars each: two fit, and one is here already.
      _ = try await program("fetch", paths[0], "--config", config)
      let plan = try await program(
        "fetch", "--dry-run", paths[0], paths[1], paths[1], paths[2], paths[3], "--config", config)
      #expect(plan.status == 3)
      let verdicts = plan.lines.dropFirst().dropLast().map { line in
        ["cached", "allowed", "refused"].first { line.contains(" \($0) ") }
      }
      #expect(verdicts == ["cached", "allowed", "cached", "refused", "refused"], "\(plan.output)")
      #expect(plan.output.contains("tollfs approve screenplay/t3 --max 0.000024"))
      #expect(plan.lines.last?.hasPrefix("total") == true)
      #expect(plan.lines.last?.hasSuffix("without 2 that would be refused") == true)
      let fits = try await program("fetch", "--dry-run", paths[1], "--json", "--config", config)
      #expect(fits.status == 0)
      let step = try #require(try json(fits).first)
      #expect(step["cost"] as? String == "0.000012" || step["cost"] as? String == "0.000024")
      #expect(step["budgetLeft"] as? String == "0.000038")
      // Nothing was bought or reserved.
      #expect(simulator.counters().total.download == 1)
      #expect(try json(try await program("ledger", "--json", "--config", config)).count == 1)
      let free = try await program("fetch", "--dry-run", paths[0], "--config", config)
      #expect(free.status == 0 && free.lines.last?.contains("0.000000") == true)
    }
  }

  @Test func anUnsettledPurchaseIsSettledByHandAndNothingElseIs() async throws {
    try await withTasks(budget: "daily: 1") { program, simulator in
      let config = program.configuration
      let ledger = try await Ledger(stateDirectory: program.directory.file("state"))
      let task = try #require(TaskPath(parsing: "screenplay/t1"))
      let request = PurchaseRequest(
        task: task, path: "screenplay/t1/results", price: PricePerGigabyte(Dollars(microDollars: 120_000)),
        requester: Requester(userID: 7, processID: 8, command: "cat"),
        expected: Estimate(bytes: ByteCount(1_000_000), basis: .assumed, evidence: "assume_unknown"), episodes: 5)
      let caps = BudgetCaps(total: Dollars(microDollars: 1_000_000))
      let first = try await ledger.reserve(request, caps: caps)
      let reserved = try await program("ledger", "--settle", "\(first.id)", "--cost", "1", "--config", config)
      #expect(reserved.status == 1 && reserved.errors.contains("is reserved: process"))
      try await ledger.leaveUnsettled(first.id, bytesSeen: .zero, costSeen: .zero, reason: "broke")
      let settled = try await program(
        "ledger", "--settle", "1", "--cost", "0.000077", "--bytes", "640 KB", "--config", config)
      #expect(settled.status == 0, "\(settled.errors)")
      #expect(settled.output == "purchase 1 of screenplay/t1: settled at 0.000077, 640.00 kB\n")
      let again = try await program("ledger", "--settle", "1", "--cost", "0.1", "--config", config)
      #expect(again.status == 1 && again.errors.contains("is settled already, at 0.000077 dollars"))
      #expect(try await program("ledger", "--settle", "9", "--cost", "0.1", "--config", config).status == 1)
      let row = try #require(try json(try await program("ledger", "--json", "--config", config)).first)
      #expect(row["cost"] as? String == "0.000077" && row["bytes"] as? Int == 640_000)
      #expect(row["uid"] as? Int == 7 && row["source"] as? String == "screenplay" && row["episodes"] as? Int == 5)
      #expect((row["reason"] as? String)?.hasPrefix("settled by hand: uid \(getuid()), pid ") == true)
      let events = try json(try await program("ledger", "--events", "--json", "--config", config))
      #expect(events.map { $0["event"] as? String } == ["reserved", "unsettled", "settled"])
      #expect(events.last?["command"] as? String == "tollfs" && events.last?["uid"] as? Int == Int(getuid()))
      #expect(events.first?["evidence"] as? String == "assume_unknown")
      for words in [["--settle", "1"], ["--cost", "1"], ["--bytes", "1 GB"], ["--settle", "1", "--cost", "much"]] {
        let outcome = try await ChildProcess.run(
          Program.path, ["ledger"] + words + ["--config", config], environment: ["TEST_API_KEY": "x"], timeout: 60)
        #expect(outcome.status == 64, "\(words)")
      }
      #expect(simulator.counters().total.download == 0)
    }
  }

  @Test func theHistoryIsAChartOfTheTerminalsWidth() async throws {
    try await withTasks(budget: "daily: 1") { program, _ in
      let config = program.configuration
      _ = try await program("fetch", "screenplay/t1", "--config", config)
      let wide = try await program(
        "budget", "--history", "--days", "3", "--config", config,
        environment: ["LC_ALL": "C.UTF-8", "COLUMNS": "40"])
      #expect(wide.lines.count == 4, "\(wide.errors)")
      #expect(wide.lines.map(\.count).max() == 40)
      #expect(wide.lines[2].hasSuffix("█") && wide.lines[2].contains("0.000012"))
      let plain = try await program(
        "budget", "--history", "--config", config, environment: ["LC_ALL": "C", "COLUMNS": "60"])
      #expect(plain.lines.count == 31 && plain.output.utf8.allSatisfy { $0 < 0x80 })
      #expect(plain.lines[29].count == 60 && plain.lines[29].hasSuffix("##"))
      let days = try json(try await program("budget", "--history", "--days", "2", "--json", "--config", config))
      #expect(days.map { $0["charged"] as? String } == ["0.000000", "0.000012"])
      #expect(try await program("budget", "--days", "2", "--config", config).status == 64)
      #expect(try await program("budget", "--history", "--days", "0", "--config", config).status == 64)
    }
  }
}

@Suite struct TerminalTests {
  @Test(arguments: [
    (["LANG": "de_DE.UTF-8"], true), (["LANG": "de_DE.utf8", "LC_ALL": "C"], false),
    (["LC_ALL": "", "LANG": "C.UTF-8"], true),
    (["LC_CTYPE": "POSIX", "LANG": "C.UTF-8"], false), ([:], false),
  ])
  func theLocaleSaysWhetherTextIsUTF8(environment: [String: String], expected: Bool) {
    #expect(Terminal.isUnicode { environment[$0] } == expected)
  }

  @Test(arguments: [("132", 132), ("0", 80), ("-5", 80), ("wide", 80), (nil, 80)])
  func withoutATerminalColumnsDecide(columns: String?, expected: Int) {
    // Where the tests themselves run in a terminal, its width counts.
    guard isatty(STDOUT_FILENO) == 0 else { return }
    #expect(Terminal.width { _ in columns } == expected)
  }
}
