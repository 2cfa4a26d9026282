import FileSystem
import TaskTree
import Tasks

/// Downloads with a display, for the commands that download.
struct Fetching {
  let engine: TaskEngine

  /// Lets `body` run; a signal in the meantime breaks downloads off. What has arrived is kept then, and the ledger is told:
  /// better than the end of the process.
  func breakingOffOnSignals(_ body: () async throws(CommandFailure) -> Void) async throws(CommandFailure) {
    let signals = Signals(reloads: false)
    let engine = engine
    let listener = Task {
      for await _ in signals.stream {
        Output.note("breaking off; what has arrived is kept")
        engine.abandonDownloads()
      }
    }
    defer { listener.cancel() }
    try await body()
  }

  /// Downloads a task's results unless they are here.
  func fetch(_ task: TaskPath) async throws(CommandFailure) -> FetchReport {
    let display = ProgressDisplay(isTerminal: Output.errorsGoToATerminal)
    defer { display.end() }
    do throws(FileSystemFailure) {
      return try await engine.fetch(task, requester: .thisCommand) { progress in
        display.show { ProgressText.render(task: task.description, progress, withBar: $0) }
      }
    } catch {
      throw CommandFailure(error)
    }
  }
}

/// How a command over several tasks ends.
struct Verdict {
  private(set) var failure: CommandFailure?

  /// Says what went wrong with one task; the others are gone through all the same.
  mutating func note(_ task: TaskPath, _ problem: CommandFailure) {
    Output.complain("\(task): \(problem.message)")
    fail(problem.status)
  }

  /// One refusal among other failures: the budget is what a script can do something about.
  mutating func fail(_ status: ExitStatus = .failed) {
    if failure?.status != .refusedByBudget { failure = CommandFailure("", status: status) }
  }

  func end() throws(CommandFailure) {
    if let failure { throw failure }
  }
}
