import ArgumentParser
import Tasks

struct DoctorCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Checks everything that a mount needs, and says how to mend what is wrong.",
    discussion: "Asks each API for one status, which is free. Exit status 1 when something is wrong.")

  @Flag(help: "Asks no API.") var offline = false
  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  func perform() async throws(CommandFailure) {
    let path = Surroundings.current().variable("PATH") ?? "/usr/local/bin:/usr/bin:/bin"
    var checks = await BlockingCall.run { [MachineCheckup.device(), MachineCheckup.helper(searching: path)] }
    do throws(CommandFailure) {
      checks += await examine(try await common.configuration())
    } catch {
      checks.append(.failed("configuration", error.message, "mend the file; `tollfs config check` reads it again"))
    }
    if output.json { Output.json(checks) } else { for check in checks { Output.say(Self.line(check)) } }
    if checks.contains(where: { $0.result == .failed }) { throw CommandFailure("") }
  }

  private func examine(_ configuration: Configuration) async -> [Check] {
    var checks: [Check] = []
    if let file = configuration.file {
      checks.append(.ok("configuration", file))
    } else {
      let place = common.loader().expectedPath ?? "~/.config/tollfs/config.yaml"
      checks.append(.warning("configuration", "there is none at \(place)", "write it; `tollfs demo` works without"))
    }
    checks.append(SourceCheckup.budget(configuration))
    checks += await BlockingCall.run {
      var checks: [Check] = []
      if let mountpoint = configuration.mountpoint {
        checks.append(MachineCheckup.mountpoint(mountpoint, stateDirectory: configuration.stateDirectory))
      }
      checks.append(
        MachineCheckup.directory(
          "cache.directory", configuration.cache.directory, reserve: configuration.cache.minimumFree))
      checks.append(MachineCheckup.directory("state.directory", configuration.stateDirectory, reserve: .zero))
      return checks
    }
    return await checks + examineSources(configuration)
  }

  private func examineSources(_ configuration: Configuration) async -> [Check] {
    var checks: [Check] = []
    for source in configuration.sources { checks.append(await SourceCheckup.key(of: source)) }
    guard !offline, !configuration.sources.isEmpty else { return checks }
    do throws(CommandFailure) {
      let assembly = try await Assembly(configuration, logger: common.logger)
      for source in configuration.sources {
        checks.append(await SourceCheckup.reachability(of: source, assembly.engine))
      }
      await assembly.shutdown(grace: .zero)
    } catch {
      checks.append(.failed("sources", error.message, "mend the configuration"))
    }
    return checks
  }

  private static func line(_ check: Check) -> String {
    let mark =
      switch check.result {
      case .ok: "ok      "
      case .warning: "warning "
      case .failed: "FAILED  "
      }
    let mend = check.mend.map { $0.isEmpty ? "" : "\n        → \($0)" } ?? ""
    return "\(mark)\(check.what): \(check.finding)\(mend)"
  }
}
