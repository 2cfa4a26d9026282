import APISimulator
import ArgumentParser

struct SimulateCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate", abstract: "Runs the API simulator alone, with sample tasks, until Ctrl-C.",
    discussion: "It listens on loopback only. For trying out programs against the API without an account.")

  @Option(help: "The port; 0 takes a free one.") var port = 8642
  @Option(help: "The key that is accepted; any key unless given.") var key: String?
  @Flag(help: "Starts without the sample tasks.") var empty = false

  func validate() throws {
    guard (0...65_535).contains(port) else { throw ValidationError("--port must be from 0 to 65535") }
  }

  func perform() async throws(CommandFailure) {
    var configuration = APISimulator.Configuration()
    configuration.port = port
    if let key { configuration.apiKeys = [key] }
    let simulator = APISimulator(configuration, tasks: empty ? [] : SampleTasks.all())
    let signals = Signals(reloads: false)
    do {
      _ = try await simulator.start()
    } catch {
      throw CommandFailure("the simulator can't listen on port \(port): \(error)")
    }
    Output.say(
      """
      The simulator listens at \(simulator.endpoint), and takes orders below \(simulator.administration) (Ctrl-C ends it).
      To use it, write below `sources`:
        simulated:
          kind: memories-screenplay
          endpoint: \(simulator.endpoint)
          tasks: [\(simulator.tasks.map(\.id).joined(separator: ", "))]
      """)
    for await _ in signals.stream { break }
    await simulator.stop()
  }
}
