import ArgumentParser
import Logging
import Tasks

extension Logger.Level: @retroactive ExpressibleByArgument {}

/// Options that every command takes.
struct CommonOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The configuration file.", valueName: "file"))
  var config: String?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Overrides one key of the configuration, as in budget.daily=2.", valueName: "key=value"))
  var overrides: [String] = []

  @Option(help: "Logs this level and above: trace, debug, info, notice, warning, error, critical.")
  var logLevel: Logger.Level?

  @Flag(name: .shortAndLong, help: "Logs more; twice, still more.")
  var verbose: Int

  /// - Parameter quiet: the level without any flag.
  func level(quiet: Logger.Level = .warning) -> Logger.Level {
    if let logLevel { return logLevel }
    return switch verbose {
    case 0: quiet
    case 1: .info
    case 2: .debug
    default: .trace
    }
  }

  /// A logger to standard error, for everything but a mount in the background.
  var logger: Logger { .tollfs(LogDestination(), level: level()) }

  func loader(surroundings: Surroundings = .current()) -> ConfigurationLoader {
    ConfigurationLoader(file: config, overrides: overrides, surroundings: surroundings)
  }

  /// Reads the configuration.
  func configuration() async throws(CommandFailure) -> Configuration {
    let loader = loader()
    do throws(ConfigurationFailure) {
      return try await BlockingCall.run { () throws(ConfigurationFailure) in try loader.load() }
    } catch {
      throw CommandFailure(error)
    }
  }

  /// The configuration, which must have a source.
  func configurationWithSources() async throws(CommandFailure) -> Configuration {
    let configuration = try await configuration()
    guard configuration.sources.isEmpty else { return configuration }
    let place = configuration.file ?? loader().expectedPath ?? "~/.config/tollfs/config.yaml"
    throw CommandFailure(
      """
      \(place) \(configuration.file == nil ? "does not exist" : "has no sources"). Write for example:
        mountpoint: ~/tasks
        sources:
          screenplay:
            kind: memories-screenplay
            api_key_env: MEMORIES_API_KEY
        budget:
          daily: 1.00
      or try `tollfs demo`, which needs neither configuration nor key.
      """)
  }

  /// Builds everything from the configuration, lets `body` use it, and takes it down again.
  func withAssembly(_ body: (Assembly) async throws(CommandFailure) -> Void) async throws(CommandFailure) {
    let assembly = try await Assembly(try await configurationWithSources(), logger: logger)
    do throws(CommandFailure) {
      try await body(assembly)
    } catch {
      await assembly.shutdown(grace: .zero)
      throw error
    }
    await assembly.shutdown(grace: .zero)
  }
}

/// The switch of every command that prints data.
struct OutputOptions: ParsableArguments {
  @Flag(help: "Prints JSON.")
  var json = false
}
