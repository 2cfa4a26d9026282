import APISimulator
import ArgumentParser
import Glibc
import Tasks

struct SimulateCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate", abstract: "Runs the API simulator alone, with sample tasks, until Ctrl-C.",
    discussion: """
      It listens on loopback only. For trying out programs against the APIs without an account, and for measuring: the \
      object store behind Pixxel's signed addresses has a port of its own, and can be as slow as one that is far away.
      """)

  @Option(help: "The port of both APIs; 0 takes a free one.") var port = 8642
  @Option(help: "The port of the object store; the next one unless given.") var storePort: Int?
  @Option(help: "The key that is accepted; any key unless given.") var key: String?
  @Flag(help: "Starts without the sample tasks.") var empty = false
  @Option(help: ArgumentHelp("How long the store waits before each answer.", valueName: "duration"))
  var latency: String?
  @Option(help: ArgumentHelp("What the store sends each second, for each answer.", valueName: "size"))
  var rate: String?
  @Option(help: ArgumentHelp("How long a signed address is good.", valueName: "duration"))
  var lifetime: String?
  @Option(
    name: .customLong("package"), parsing: .singleValue,
    help: ArgumentHelp(
      "A file that is the package of a further task; may be repeated. The first is packages/files/1.",
      valueName: "file"))
  var packages: [String] = []

  func validate() throws {
    for (name, port) in [("--port", port), ("--store-port", usedStorePort)] where !(0...65_535).contains(port) {
      throw ValidationError("\(name) must be from 0 to 65535")
    }
    do throws(UnreadableValue) {
      _ = try storeSettings()
    } catch {
      throw ValidationError(error.message)
    }
  }

  private var usedStorePort: Int { storePort ?? (port == 0 ? 0 : port + 1) }

  private func storeSettings() throws(UnreadableValue) -> StoreSettings {
    var settings = StoreSettings()
    settings.port = usedStorePort
    if let latency { settings.latency = try SettingValues.duration(latency) / .seconds(1) }
    if let lifetime { settings.urlLifetime = try SettingValues.positiveDuration(lifetime) / .seconds(1) }
    if let rate { settings.bytesPerSecond = Int(clamping: try SettingValues.positiveBytes(rate).bytes) }
    return settings
  }

  /// One task for each file that was named.
  private var fileWorkflow: SimulatedWorkflow {
    let tasks = packages.enumerated().map { number, file in
      SimulatedPixxelTask(id: String(number + 1), name: file, package: .file(file))
    }
    return SimulatedWorkflow(id: "packages", jobs: [SimulatedJob(id: "files", tasks: tasks)])
  }

  func perform() async throws(CommandFailure) {
    var configuration = APISimulator.Configuration()
    configuration.port = port
    do throws(UnreadableValue) {
      configuration.store = try storeSettings()
    } catch {
      throw CommandFailure(error)
    }
    if let key { configuration.apiKeys = [key] }
    for file in packages where access(file, R_OK) != 0 {
      throw CommandFailure(ProcessFailure("can't read \(file)", errno))
    }
    let workflows = (empty ? [] : SampleTasks.workflows) + (packages.isEmpty ? [] : [fileWorkflow])
    let simulator = APISimulator(configuration, tasks: empty ? [] : SampleTasks.all(), workflows: workflows)
    let signals = Signals(reloads: false)
    do {
      _ = try await simulator.start()
    } catch {
      throw CommandFailure("the simulator can't listen on ports \(port) and \(usedStorePort): \(error)")
    }
    Output.say(
      """
      The simulator listens at \(simulator.endpoint) and, as Pixxel, at \(simulator.pixxelEndpoint);
      its object store at \(simulator.storeEndpoint).
      It takes orders below \(simulator.administration) (Ctrl-C ends it).
      To use it, write below `sources`:
        simulated:
          kind: memories-screenplay
          endpoint: \(simulator.endpoint)
          tasks: [\(simulator.tasks.map(\.id).joined(separator: ", "))]
        simulated-pixxel:
          kind: pixxel
          endpoint: \(simulator.pixxelEndpoint)
      """)
    for await _ in signals.stream { break }
    await simulator.stop()
  }
}
