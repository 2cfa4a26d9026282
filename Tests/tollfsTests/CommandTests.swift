import APISimulator
import Foundation
import Tasks
import TestSupport
import Testing

@testable import TaskTree
@testable import tollfs

/// The built program as a child, with a home of its own and nothing of this process's surroundings that could steer it.
struct Program: Sendable {
  let directory: TemporaryDirectory

  static let path: String = {
    let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return (bundle as NSString).deletingLastPathComponent + "/tollfs"
  }()

  init() throws {
    directory = try TemporaryDirectory("program")
  }

  var configuration: String { directory.file("config.yaml") }

  func write(_ text: String) throws {
    try text.write(toFile: configuration, atomically: true, encoding: .utf8)
  }

  func callAsFunction(_ arguments: String..., environment: [String: String] = [:]) async throws
    -> ChildProcess.Outcome
  {
    let own = [
      "HOME": directory.path, "TOLLFS_CONFIG": "", "XDG_CONFIG_HOME": "", "TEST_API_KEY": "sk-mai-test-secret",
    ]
    return try await ChildProcess.run(
      Self.path, arguments, environment: own.merging(environment) { _, new in new }, directory: directory.path,
      timeout: 60)
  }
}

@Suite struct CommandTests {
  @Test(arguments: [
    [], ["mount"], ["unmount"], ["demo"], ["simulate"], ["add"], ["forget"], ["ls"], ["status"], ["wait"], ["cost"],
    ["approve"], ["budget"], ["ledger"], ["fetch"], ["config"], ["config", "check"], ["config", "show"], ["doctor"],
  ])
  func everyCommandHasHelp(words: [String]) async throws {
    let program = try Program()
    let outcome = try await ChildProcess.run(
      Program.path, words + ["--help"], directory: program.directory.path, timeout: 60)
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("OVERVIEW: "))
    #expect(!outcome.output.contains("ready-descriptor"))
  }

  @Test(arguments: [
    ["bogus"], ["status"], ["approve", "s/x"], ["approve", "s/x", "--max", "lots"], ["approve", "s/x", "--max", "0"],
    ["mount", "-o", "bogus"], ["mount", "-o", "rw"], ["status", "nothing-like-a-task"], ["status", "s/x/y"],
    ["ls", "other"], ["wait", "s/x", "--interval", "often"], ["config", "check", "--log-level", "loud"],
    ["simulate", "--port", "99999"], ["simulate", "--latency", "5"], ["simulate", "--rate", "fast"],
    ["simulate", "--lifetime", "0 s"],
  ])
  func wrongUsageIsToldFromFailure(words: [String]) async throws {
    let program = try Program()
    try program.write("sources:\n  s:\n    kind: memories-screenplay\n")
    let outcome = try await ChildProcess.run(
      Program.path, words, environment: ["HOME": program.directory.path, "TOLLFS_CONFIG": program.configuration],
      timeout: 60)
    #expect(outcome.status == 64, "\(outcome.errors)")
    #expect(!outcome.errors.isEmpty)
    #expect(outcome.output.isEmpty)
  }

  @Test func aBrokenConfigurationFailsEveryCommandWithItsLine() async throws {
    let program = try Program()
    try program.write("sources:\n  s:\n    kind: memories-screenplay\nbudgt:\n  daily: 1\n")
    for words in [["config", "check"], ["config", "show"], ["ls"], ["budget"], ["mount", "m"], ["cost", "s/x"]] {
      let outcome = try await ChildProcess.run(
        Program.path, words, environment: ["HOME": program.directory.path, "TOLLFS_CONFIG": program.configuration])
      #expect(outcome.status == 1)
      #expect(outcome.errors.contains("config.yaml:4: budgt: unknown key; did you mean `budget`?"), "\(words)")
    }
  }

  @Test func theConfigurationIsShownWithItsOrigins() async throws {
    let program = try Program()
    try program.write(
      "sources:\n  s:\n    kind: memories-screenplay\n    api_key_command: echo sk-hidden\nbudget:\n  daily: 1\n")
    let shown = try await program(
      "config", "show", "--config", program.configuration, "--set", "budget.total=5",
      environment: ["TOLLFS_BUDGET_DAILY": "2"])
    #expect(shown.status == 0)
    #expect(shown.lines.contains("budget.daily: 2  # environment TOLLFS_BUDGET_DAILY"))
    #expect(shown.lines.contains("budget.total: 5  # flag --set budget.total"))
    #expect(shown.lines.contains("sources.s.kind: memories-screenplay  # \(program.configuration):3"))
    #expect(!shown.output.contains("sk-hidden"))
    let json = try await program("config", "show", "--json", "--config", program.configuration)
    let entries = try #require(try JSONSerialization.jsonObject(with: Data(json.outputBytes)) as? [[String: Any]])
    #expect(entries.contains { $0["key"] as? String == "budget.daily" && $0["value"] as? String == "1" })
  }

  @Test func withoutAConfigurationTheMendIsShown() async throws {
    let program = try Program()
    let outcome = try await program("mount", "m")
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains("\(program.directory.path)/.config/tollfs/config.yaml does not exist"))
    #expect(outcome.errors.contains("tollfs demo"))
    let check = try await program("config", "check")
    #expect(check.status == 0)
    #expect(check.output.contains("no sources"))
  }

  @Test func aSourceWithoutItsKeySaysWhichIsMissing() async throws {
    let program = try Program()
    try program.write("sources:\n  p:\n    kind: pixxel\n    endpoint: http://127.0.0.1:9\n")
    let outcome = try await program("ls", "--config", program.configuration)
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains("PIXXEL_API_KEY is not set"), "\(outcome.errors)")
  }

  @Test func unmountSaysWhatIsNotMounted() async throws {
    let program = try Program()
    try program.write("mountpoint: m\n")
    let outcome = try await program("unmount", "--config", program.configuration)
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains("nothing is mounted at \(program.directory.path)/m"))
    #expect(try await program("unmount").status == 64)
  }

  @Test func aBackgroundMountThatFailsSaysWhy() async throws {
    let program = try Program()
    try program.write("sources:\n  s:\n    kind: memories-screenplay\n")
    let outcome = try await program("mount", "not-there", "--config", program.configuration)
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains("not-there does not exist"))
  }
}

@Suite struct TaskCommandTests {
  /// A simulated API and a configuration for it.
  private func withSimulator(
    budget: String, _ body: (Program, APISimulator) async throws -> Void
  ) async throws {
    var settings = APISimulator.Configuration()
    settings.apiKeys = ["sk-mai-test-secret"]
    let simulator = APISimulator(settings, tasks: SampleTasks.all())
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
          tasks: [\(SampleTasks.completed)]
      budget:
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

  @Test func tasksAreListedAddedAndForgotten() async throws {
    try await withSimulator(budget: "daily: 1") { program, _ in
      let environment = ["TOLLFS_CONFIG": program.configuration]
      func run(_ words: String...) async throws -> ChildProcess.Outcome {
        try await ChildProcess.run(
          Program.path, words,
          environment: environment.merging(["HOME": program.directory.path, "TEST_API_KEY": "sk-mai-test-secret"]) {
            $1
          })
      }
      #expect(try await run("ls").lines == ["screenplay/\(SampleTasks.completed)"])
      #expect(try await run("add", "screenplay/\(SampleTasks.failed)").status == 0)
      let missing = try await run("add", "screenplay/no-such-task")
      #expect(missing.status == 1 && !missing.errors.isEmpty)
      #expect(try await run("ls", "screenplay").lines.count == 2)
      #expect(try await run("ls", "-l").lines.contains("screenplay/\(SampleTasks.failed)\tfailed"))
      #expect(try await run("forget", "screenplay/\(SampleTasks.failed)").status == 0)
      #expect(try await run("ls").lines.count == 1)
      #expect(try await run("forget", "screenplay/\(SampleTasks.completed)").status == 1)
      let status = try await run("status", "screenplay/\(SampleTasks.completed)")
      #expect(status.lines.first == "completed")
      #expect(try await run("wait", "screenplay/\(SampleTasks.completed)").status == 0)
      #expect(try await run("wait", "screenplay/\(SampleTasks.cancelled)", "--json").status == 1)
      #expect(try await run("wait", "screenplay/\(SampleTasks.pending)", "--timeout", "1 ms").status == 1)
    }
  }

  @Test func aFetchIsBoughtOnceAndShowsInTheLedger() async throws {
    try await withSimulator(budget: "daily: 1") { program, simulator in
      let task = "screenplay/\(SampleTasks.completed)"
      let cost = try await program("cost", task, "--config", program.configuration)
      #expect(cost.output.contains("verdict: allowed"))
      #expect(simulator.counters().total.download == 0)
      let first = try await program("fetch", task, "--config", program.configuration)
      #expect(first.status == 0, "\(first.errors)")
      #expect(first.output.contains("fetched"))
      let second = try await program("fetch", task, "--json", "--config", program.configuration)
      #expect(second.output.contains("\"wasCached\" : true"))
      #expect(simulator.counters().total.billedDownloads == 1)
      let ledger = try await program("ledger", "--config", program.configuration)
      #expect(ledger.lines.count == 2)
      #expect(ledger.output.contains(",settled,"))
      let budget = try await program("budget", "--json", "--config", program.configuration)
      let shown = try #require(try JSONSerialization.jsonObject(with: Data(budget.outputBytes)) as? [String: Any])
      #expect(shown["isConfigured"] as? Bool == true)
    }
  }

  @Test func aRefusalByTheBudgetHasItsOwnStatusAndAnApprovalPassesIt() async throws {
    try await withSimulator(budget: "per_open: 0.0001") { program, simulator in
      let task = "screenplay/\(SampleTasks.completed)"
      let refused = try await program("fetch", task, "--config", program.configuration)
      #expect(refused.status == 3)
      #expect(refused.errors.contains("tollfs approve"))
      #expect(simulator.counters().total.download == 0)
      #expect(try await program("cost", task, "--config", program.configuration).output.contains("verdict: refused"))
      #expect(try await program("approve", task, "--max", "0.20", "--config", program.configuration).status == 0)
      #expect(try await program("fetch", task, "--config", program.configuration).status == 0)
      #expect(simulator.counters().total.billedDownloads == 1)
    }
  }

  @Test func theDoctorFindsAWrongKeyAndAnUnreachableAPI() async throws {
    try await withSimulator(budget: "daily: 1") { program, simulator in
      #expect(
        try await program("doctor", "--config", program.configuration).output.contains("answers and takes the key"))
      let wrong = try await program(
        "doctor", "--config", program.configuration, environment: ["TEST_API_KEY": "sk-mai-other"])
      #expect(wrong.status == 1)
      #expect(wrong.output.contains("FAILED  screenplay: API"))
      #expect(!wrong.output.contains("sk-mai-other"))
      let unset = try await program(
        "doctor", "--offline", "--config", program.configuration, environment: ["TEST_API_KEY": ""])
      #expect(unset.output.contains("FAILED  screenplay: API key"))
      await simulator.stop()
      let gone = try await program("doctor", "--json", "--config", program.configuration)
      #expect(gone.status == 1)
      #expect(gone.output.contains("check the network"))
    }
  }
}

@Suite struct ProgressTextTests {
  @Test func aKnownLengthGivesABar() {
    var progress = DownloadProgress()
    progress.received = ByteCount(50_000_000)
    progress.announced = ByteCount(200_000_000)
    progress.files = 3
    #expect(
      ProgressText.render(task: "s/x", progress, withBar: true)
        == "s/x: 50.00 MB of 200.00 MB, 3 files [######------------------] 25%")
    progress.announced = nil
    #expect(ProgressText.render(task: "s/x", progress, withBar: true) == "s/x: 50.00 MB, 3 files")
  }

  @Test(arguments: [(Int64(0), Int64(10), 0), (11, 10, 100), (.max, .max, 100), (1, .max, 0)])
  func percentStaysInItsRange(received: Int64, announced: Int64, expected: Int) {
    var progress = DownloadProgress()
    progress.received = ByteCount(received)
    progress.announced = ByteCount(announced)
    #expect(ProgressText.percent(of: progress) == expected)
  }
}
