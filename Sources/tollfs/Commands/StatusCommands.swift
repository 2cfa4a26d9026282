import ArgumentParser
import FileSystem
import Foundation
import TaskTree
import Tasks

/// A status as `--json` shows it.
struct StatusOutput: Encodable {
  let task: String
  let status: String
  let isFinal: Bool
  let asOf: Date
  let stale: Bool
  let progress: String?
  let errorCode: String?
  let errorMessage: String?
  let name: String?

  init(_ report: StatusReport) {
    task = report.task.description
    status = report.status.state.word
    isFinal = report.status.state.isFinal
    asOf = report.asOf
    stale = report.isStale
    progress = report.status.progress.map(Self.text)
    errorCode = report.status.errorCode
    errorMessage = report.status.errorMessage
    name = report.status.name
  }

  static func text(_ progress: TaskProgress) -> String {
    switch progress {
    case .episodes(let completed, let total): "\(completed)/\(total) episodes"
    case .percent(let percent): "\(Int(percent))%"
    }
  }
}

struct StatusCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Asks the API for a task's status and prints it as the file `status` does.")

  @Argument(help: "The task, as screenplay/ID or pixxel/WORKFLOW/JOB/TASK.") var path: String
  @Flag(help: "Prints the API's own answer, byte for byte.") var raw = false
  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  func perform() async throws(CommandFailure) {
    try await common.withAssembly { (assembly) throws(CommandFailure) in
      let task = try assembly.task(path)
      do throws(FileSystemFailure) {
        let report = try await assembly.engine.status(of: task)
        if raw {
          Output.say(String(decoding: report.status.raw, as: UTF8.self))
        } else if output.json {
          Output.json(StatusOutput(report))
        } else {
          Output.say(report.text)
        }
      } catch {
        throw CommandFailure(error)
      }
    }
  }
}

struct WaitCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "wait", abstract: "Returns when a task has reached a final status.",
    discussion: "Exit status 0 when it completed, 1 when it failed or was cancelled, or when the time is over.")

  @Argument(help: "The task, as screenplay/ID or pixxel/WORKFLOW/JOB/TASK.") var path: String
  @Option(help: ArgumentHelp("How often to ask, such as 10s.", valueName: "duration")) var interval = "10s"
  @Option(help: ArgumentHelp("Gives up after this long, such as 2h.", valueName: "duration")) var timeout: String?
  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    for text in [interval, timeout].compactMap({ $0 }) {
      do {
        _ = try SettingValues.positiveDuration(text)
      } catch {
        throw ValidationError(error.message)
      }
    }
  }

  func perform() async throws(CommandFailure) {
    let pause: Duration
    let deadline: ContinuousClock.Instant?
    do throws(UnreadableValue) {
      pause = try SettingValues.positiveDuration(interval)
      deadline = ContinuousClock.now + (try timeout.map(SettingValues.positiveDuration) ?? .seconds(1 << 32))
    } catch {
      throw CommandFailure(error)
    }
    try await common.withAssembly { (assembly) throws(CommandFailure) in
      let report = try await finalStatus(try assembly.task(path), assembly.engine, every: pause, until: deadline)
      if output.json { Output.json(StatusOutput(report)) } else { Output.say(report.text) }
      if report.status.state != .completed { throw CommandFailure("") }
    }
  }

  private func finalStatus(
    _ task: TaskPath, _ engine: TaskEngine, every pause: Duration, until deadline: ContinuousClock.Instant?
  ) async throws(CommandFailure) -> StatusReport {
    var said: String?
    while true {
      do throws(FileSystemFailure) {
        let report = try await engine.status(of: task)
        if report.status.state.isFinal { return report }
        let line =
          "\(task): \(report.status.state.word)"
          + (report.status.progress.map { ", " + StatusOutput.text($0) } ?? "")
        if line != said { Output.note(line) }
        said = line
      } catch {
        // What passes is waited out; what is certain is not.
        guard [.timedOut, .unreachable, .rateLimited, .remoteError].contains(error.kind) else {
          throw CommandFailure(error)
        }
        Output.note("\(task): \(error.reason); still trying")
        said = nil
      }
      if let deadline, ContinuousClock.now + pause > deadline {
        throw CommandFailure("\(task) has reached no final status in the time given")
      }
      try? await Task.sleep(for: pause)
    }
  }
}
