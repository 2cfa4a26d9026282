import APISimulator
import Foundation
import TestSupport
import Testing

/// The whole product as its user has it, against the simulator: the built `tollfs` program, a configuration, a kernel mount,
/// and real programs that walk on it. Everything is unmounted and ended with it, also when a test fails.
final class MountedSystem: Sendable {
  let simulator: APISimulator
  let directory: TemporaryDirectory
  let endpoint: String
  private let settings: Settings

  struct Settings: Sendable {
    /// Lines below `budget:`; nil leaves the section out.
    var budget: [String]? = ["daily: 5"]
    var tasks: [String] = []
    /// More lines below `sources: screenplay:`.
    var source: [String] = []
    /// More lines below `sources: pixxel:`; nil leaves the source out.
    var pixxel: [String]?
    /// Lines below `cache:` in place of the usual limits.
    var cache = ["max_size: 2 GB", "min_free: 0"]
    /// More lines at the top level of the configuration.
    var more: [String] = []
  }

  /// A key that must never be found in any log.
  static let key = "sk-mai-simulated-0f3c9a"

  var mountpoint: String { directory.file("tasks") }
  var configuration: String { directory.file("config.yaml") }
  var log: String { directory.file("state/tollfs.log") }

  init(
    _ tasks: [SimulatedTask], _ settings: Settings = Settings(),
    simulator configuration: APISimulator.Configuration? = nil
  ) async throws {
    directory = try TemporaryDirectory("mount")
    var simulated = configuration ?? APISimulator.Configuration()
    if simulated.apiKeys.isEmpty { simulated.apiKeys = [Self.key] }
    simulator = APISimulator(simulated, tasks: tasks)
    _ = try await simulator.start()
    endpoint = simulator.endpoint
    self.settings = settings
    try FileManager.default.createDirectory(atPath: mountpoint, withIntermediateDirectories: true)
    try write(settings)
  }

  /// Writes the configuration anew.
  func write(_ settings: Settings) throws {
    var lines = [
      "mountpoint: \(mountpoint)",
      "sources:",
      "  screenplay:",
      "    kind: memories-screenplay",
      "    endpoint: \(endpoint)",
      "    api_key_env: TEST_API_KEY",
      "    rate_limit: 0",
      "    tasks: [\(settings.tasks.joined(separator: ", "))]",
    ]
    lines += settings.source.map { "    " + $0 }
    if let pixxel = settings.pixxel {
      lines += [
        "  pixxel:", "    kind: pixxel", "    endpoint: \(simulator.pixxelEndpoint)", "    api_key_env: TEST_API_KEY",
        "    rate_limit: 0",
      ]
      lines += pixxel.map { "    " + $0 }
    }
    if let budget = settings.budget { lines += ["budget:"] + budget.map { "  " + $0 } }
    lines += ["cache:", "  directory: \(directory.file("cache"))"] + settings.cache.map { "  " + $0 }
    lines += ["state:", "  directory: \(directory.file("state"))"]
    if !settings.more.contains(where: { $0.hasPrefix("network:") }) {
      lines += ["network:", "  connect_timeout: 2 s", "  read_timeout: 5 s", "  retries: 0"]
    }
    if !settings.more.contains(where: { $0.hasPrefix("mount:") }) { lines += ["mount:", "  status_ttl: 0 s"] }
    lines += settings.more
    try (lines.joined(separator: "\n") + "\n").write(toFile: configuration, atomically: true, encoding: .utf8)
  }

  /// The path of something in the mount.
  func path(_ inside: String) -> String { mountpoint + "/" + inside }

  /// The program that `swift build` made beside this test bundle.
  static let program: String = {
    let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return (bundle as NSString).deletingLastPathComponent + "/tollfs"
  }()

  private var environment: [String: String] { ["TEST_API_KEY": Self.key, "TOLLFS_CONFIG": configuration] }

  /// Runs a subcommand of `tollfs`.
  func tollfs(_ arguments: String..., timeout: Double = 60) async throws -> ChildProcess.Outcome {
    try await ChildProcess.run(Self.program, arguments, environment: environment, timeout: timeout)
  }

  func startTollfs(_ arguments: String..., timeout: Double = 60) async throws -> ChildProcess {
    try await ChildProcess.start(Self.program, arguments, environment: environment, timeout: timeout)
  }

  func mount() async throws {
    let outcome = try await tollfs("mount")
    try #require(outcome.status == 0, "mount failed: \(outcome.errors)")
  }

  func unmount() async throws {
    let outcome = try await tollfs("unmount")
    try #require(outcome.status == 0, "unmount failed: \(outcome.errors)")
  }

  /// `$M` is the mountpoint, `$R` the results of the package that ``with(package:_:simulator:_:)`` puts up, `$D` a directory for the test.
  private var shellVariables: [String: String] {
    ["M": mountpoint, "R": mountpoint + "/pixxel/\(Self.packageKey)/results", "D": directory.path, "LC_ALL": "C.UTF-8"]
  }

  /// Runs a line of shell in the mountpoint's parent; `$M` is the mountpoint.
  func shell(_ script: String, timeout: Double = 60) async throws -> ChildProcess.Outcome {
    try await ChildProcess.shell(
      script, environment: environment.merging(shellVariables) { $1 }, timeout: timeout)
  }

  /// Runs another program with the environment of `tollfs`.
  func run(_ program: String, _ arguments: [String], timeout: Double = 60) async throws -> ChildProcess.Outcome {
    try await ChildProcess.run(program, arguments, environment: environment, timeout: timeout)
  }

  /// Starts a line of shell as ``shell(_:timeout:)`` runs it, with arguments from `$0` on.
  func start(_ script: String, _ arguments: [String] = [], timeout: Double = 40) async throws -> ChildProcess {
    try await ChildProcess.start(
      "/bin/sh", ["-c", script] + arguments,
      environment: environment.merging(shellVariables) { $1 }, timeout: timeout)
  }

  /// Process ids of the daemons that serve this mountpoint.
  func daemons() async throws -> [Int32] {
    let outcome = try await ChildProcess.shell(
      "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/environ 2>/dev/null | grep -q 'TOLLFS_CONFIG=\(configuration) ' "
        + "&& [ \"$(readlink $p/exe)\" = '\(Self.program)' ] && basename $p; done; true")
    return outcome.lines.compactMap { Int32($0) }
  }

  /// Leaves nothing behind: the mount, the daemon, the simulator.
  func tearDown() async {
    _ = try? await ChildProcess.run("umount", ["-l", mountpoint], timeout: 20)
    for process in (try? await daemons()) ?? [] { kill(process, SIGKILL) }
    await simulator.stop()
  }

  /// Sets the system up, runs a test on it, and takes it down again whatever happens.
  static func with(
    _ tasks: [SimulatedTask], _ settings: Settings = Settings(), simulator: APISimulator.Configuration? = nil,
    mounted: Bool = true, _ body: (MountedSystem) async throws -> Void
  ) async throws {
    let system = try await MountedSystem(tasks, settings, simulator: simulator)
    do {
      if mounted { try await system.mount() }
      try await body(system)
    } catch {
      if let log = try? String(contentsOfFile: system.log, encoding: .utf8) {
        print("--- log\n\(log.suffix(4_000))---")
      }
      await system.tearDown()
      throw error
    }
    let log = (try? String(contentsOfFile: system.log, encoding: .utf8)) ?? ""
    #expect(!log.contains(key), "the key is in the log")
    #expect(system.simulator.counters().total.delete == 0)
    await system.tearDown()
  }
}
