import APISimulator
import ArgumentParser
import FuseBridge
import Logging

struct DemoCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo", abstract: "Mounts sample tasks of a simulated API, in front, until Ctrl-C.",
    discussion: "Needs no key and no configuration, and touches neither your cache nor your ledger.")

  @Argument(help: "A directory, made if it is not there; a temporary one unless given.") var mountpoint: String?
  @Option(help: "Logs this level and above to standard error.") var logLevel: Logger.Level = .warning

  /// The simulator accepts this key only, so that the demo shows a key in use.
  private static let key = "sk-mai-demo"

  func perform() async throws(CommandFailure) {
    let directory: DemoDirectory
    do throws(ProcessFailure) {
      directory = try DemoDirectory()
    } catch {
      throw CommandFailure(error)
    }
    let simulator = APISimulator(
      .demo(key: Self.key), tasks: SampleTasks.all(), workflows: SampleTasks.workflows)
    do throws(CommandFailure) {
      try await run(simulator, in: directory)
    } catch {
      await tidyUp(simulator, directory)
      throw error
    }
    await tidyUp(simulator, directory)
  }

  private func tidyUp(_ simulator: APISimulator, _ directory: DemoDirectory) async {
    await simulator.stop()
    await BlockingCall.run { directory.remove() }
  }

  private func run(_ simulator: APISimulator, in directory: DemoDirectory) async throws(CommandFailure) {
    do {
      _ = try await simulator.start()
    } catch {
      throw CommandFailure("the simulator does not start: \(error)")
    }
    let configuration = try write(directory, simulator)
    let assembly = try await Assembly(configuration, logger: .tollfs(LogDestination(), level: logLevel))
    let path = configuration.mountpoint ?? directory.mountpoint
    let service = MountService(assembly: assembly, mountpoint: path, options: MountOptions())
    try await service.run {
      Output.say(Self.tour(mountpoint: path, configuration: directory.configurationFile))
      return true
    }
  }

  /// Writes the demo's configuration as a file, so that other commands can be tried on it, and reads it back.
  private func write(_ directory: DemoDirectory, _ simulator: APISimulator) throws(CommandFailure) -> Configuration {
    var surroundings = Surroundings.current()
    // The user's own settings must not reach into the demo.
    surroundings.variables = surroundings.variables.filter { !$0.key.hasPrefix(ConfigurationOverrides.prefix) }
    let place = mountpoint ?? directory.mountpoint
    guard let path = PathWalk.current().resolve(place, from: surroundings.workingDirectory) else {
      throw CommandFailure("\(place): too many levels of symbolic links")
    }
    let text: String
    do throws(ProcessFailure) {
      if MountInfo.current().top(at: path) == nil { try PrivateDirectory.make(path) }
      text = try directory.write(
        endpoint: simulator.endpoint, pixxelEndpoint: simulator.pixxelEndpoint, key: Self.key, mountpoint: path,
        tasks: SampleTasks.all().map(\.id))
    } catch {
      throw CommandFailure(error)
    }
    do throws(ConfigurationFailure) {
      return try ConfigurationReader.configuration(
        file: (directory.configurationFile, text), surroundings: surroundings)
    } catch {
      throw CommandFailure(error)
    }
  }

  static func tour(mountpoint: String, configuration: String) -> String {
    let task = "\(mountpoint)/screenplay/\(SampleTasks.completed)"
    let package = "\(mountpoint)/pixxel/\(SampleTasks.package)"
    return """
      Sample tasks are mounted at \(mountpoint) (Ctrl-C ends it). Nothing here costs anything. Try, in another terminal:

        ls \(mountpoint)/screenplay
        cat \(mountpoint)/screenplay/\(SampleTasks.running)/status      # again a few seconds later
        cat \(task)/cost
        ls -l \(task)/results                                           # downloads, as the budget allows
        ls \(mountpoint)/pixxel/by-name
        ls -l \(package)/results                       # reads the package's directory, and none of its files
        cat \(package)/results/fields.csv              # reads this one
        cat \(mountpoint)/.tollfs/ledger.csv
        TOLLFS_CONFIG=\(configuration) tollfs budget

      """
  }
}

extension APISimulator.Configuration {
  static func demo(key: String) -> Self {
    var configuration = Self()
    configuration.apiKeys = [key]
    return configuration
  }
}
