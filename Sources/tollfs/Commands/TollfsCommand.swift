import ArgumentParser
import Glibc

/// What all subcommands have in common: how they fail.
protocol TollfsCommand: AsyncParsableCommand {
  func perform() async throws(CommandFailure)
}

extension TollfsCommand {
  func run() async throws {
    Signals.ignoreBrokenPipes()
    do throws(CommandFailure) {
      try await perform()
    } catch {
      if !error.message.isEmpty { Output.complain(error.message) }
      throw ExitCode(error.status.rawValue)
    }
  }
}
