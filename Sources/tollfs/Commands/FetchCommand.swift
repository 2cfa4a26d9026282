import ArgumentParser
import FileSystem
import TaskTree
import Tasks

struct FetchCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "fetch", abstract: "Downloads tasks' results into the cache, within the budget.",
    discussion: "Also after a download that broke: this asks for it, and pays for it, again.")

  @Argument(help: "The tasks, as screenplay/ID.") var paths: [String]
  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  struct Fetched: Encodable {
    let task: String
    var files: Int?
    var bytes: Int64?
    var wasCached: Bool?
    var problem: String?
  }

  func perform() async throws(CommandFailure) {
    try await common.withAssembly { (assembly) throws(CommandFailure) in
      let signals = Signals(reloads: false)
      // What has arrived is kept, and the ledger is told: better than the end of the process.
      let listener = Task {
        for await _ in signals.stream {
          Output.note("breaking off; what has arrived is kept")
          assembly.engine.abandonDownloads()
        }
      }
      defer { listener.cancel() }
      var fetched: [Fetched] = []
      var failure: CommandFailure?
      for task in try assembly.tasks(paths) {
        do throws(CommandFailure) {
          fetched.append(try await fetch(task, assembly.engine))
        } catch {
          fetched.append(Fetched(task: task.description, problem: error.message))
          Output.complain("\(task): \(error.message)")
          // One refusal among other failures: the budget is what a script can do something about.
          if failure?.status != .refusedByBudget { failure = CommandFailure("", status: error.status) }
        }
      }
      if output.json { Output.json(fetched) }
      if let failure { throw failure }
    }
  }

  private func fetch(_ task: TaskPath, _ engine: TaskEngine) async throws(CommandFailure) -> Fetched {
    let display = ProgressDisplay(task: task.description, isTerminal: Output.errorsGoToATerminal)
    defer { display.end() }
    do throws(FileSystemFailure) {
      let report = try await engine.fetch(task, requester: .thisCommand) { display.show($0) }
      display.end()
      if !output.json {
        let how = report.wasCached ? "in the cache already" : "fetched"
        Output.say("\(task): \(how), \(report.files) files, \(report.bytes.formatted)")
      }
      return Fetched(
        task: task.description, files: report.files, bytes: report.bytes.bytes, wasCached: report.wasCached)
    } catch {
      throw CommandFailure(error)
    }
  }
}
