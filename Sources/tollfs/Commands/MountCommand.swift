import ArgumentParser
import FuseBridge
import Glibc
import Logging

struct MountCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "mount", abstract: "Mounts the configured sources; returns once the mount is ready.",
    discussion: "The mount runs on in the background and logs to tollfs.log in the state directory.")

  @Argument(help: "An empty directory; the configuration's mountpoint unless given.") var mountpoint: String?
  @Flag(name: [.customShort("f"), .long], help: "Stays in front and logs to standard error.") var foreground = false
  @Option(
    name: .customShort("o"),
    help: ArgumentHelp("FUSE options, comma-separated, such as allow_other.", valueName: "options"))
  var options: [String] = []
  @Option(help: .hidden) var readyDescriptor: Int32?
  @OptionGroup var common: CommonOptions

  func perform() async throws(CommandFailure) {
    if foreground || readyDescriptor != nil { return try await serve() }
    // Said here, where a wrong option is told from a failed mount without starting anything.
    _ = try parsedOptions()
    // This command is the second word: the program has no options of its own.
    var arguments = Array(CommandLine.arguments.dropFirst())
    arguments.insert(
      contentsOf: ["--ready-descriptor", "\(BackgroundStart.reportDescriptor)"], at: min(1, arguments.count))
    let start = BackgroundStart(arguments: arguments)
    let message: ReadinessMessage
    do throws(ProcessFailure) {
      message = try await BlockingCall.run { () throws(ProcessFailure) in try start.run() }
    } catch {
      throw CommandFailure(error)
    }
    if case .failed(let status, let reason) = message { throw CommandFailure(reason, status: status) }
  }

  /// The process that serves the mount, in front or behind.
  private func serve() async throws(CommandFailure) {
    let report = ReadinessReport(descriptor: readyDescriptor)
    do throws(CommandFailure) {
      try await serve(report)
    } catch {
      guard report.isAwaited else { throw error }
      report.send(.failed(error.status, error.message))
      throw CommandFailure("", status: error.status)
    }
  }

  private func serve(_ report: ReadinessReport) async throws(CommandFailure) {
    let options = try parsedOptions()
    let configuration = try await common.configurationWithSources()
    guard let place = mountpoint ?? configuration.mountpoint else {
      throw CommandFailure(
        "no mountpoint: name one, or set `mountpoint` in the configuration", status: .wrongUsage)
    }
    let surroundings = Surroundings.current()
    guard let path = PathWalk.current().resolve(place, from: surroundings.workingDirectory) else {
      throw CommandFailure("\(place): too many levels of symbolic links")
    }
    let log = try log(configuration, isBehind: report.isAwaited)
    let assembly = try await Assembly(configuration, logger: .tollfs(log, level: common.level(quiet: .notice)))
    MountRecord.take(stateDirectory: configuration.stateDirectory, mountpoint: path)?.keepUntilExit()
    // A working directory would keep a file system from being unmounted.
    if report.isAwaited { chdir("/") }
    // Relative names in it were understood with the directory that we came from.
    let loader = common.loader(surroundings: surroundings)
    let service = MountService(assembly: assembly, mountpoint: path, options: options) {
      () async throws(CommandFailure) in
      do throws(ConfigurationFailure) {
        return try await BlockingCall.run { () throws(ConfigurationFailure) in try loader.load() }
      } catch {
        throw CommandFailure(error)
      }
    }
    let isBehind = report.isAwaited
    try await service.run {
      assembly.logger.notice("mounted", metadata: ["mountpoint": "\(path)"])
      if isBehind { log.takeOverStandardError() }
      return report.send(.ready)
    }
  }

  private func parsedOptions() throws(CommandFailure) -> MountOptions {
    do throws(FuseFailure) {
      return try MountOptions(parsing: options)
    } catch {
      throw CommandFailure(error)
    }
  }

  private func log(_ configuration: Configuration, isBehind: Bool) throws(CommandFailure) -> LogDestination {
    guard isBehind else { return LogDestination() }
    do throws(ProcessFailure) {
      try PrivateDirectory.make(configuration.stateDirectory)
      return try LogDestination(appendingTo: configuration.stateDirectory + "/tollfs.log")
    } catch {
      throw CommandFailure(error)
    }
  }
}
