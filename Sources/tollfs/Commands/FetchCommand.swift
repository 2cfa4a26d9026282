import ArgumentParser
import TaskTree
import Tasks

struct FetchCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "fetch", abstract: "Downloads tasks' results into the cache, within the budget.",
    discussion: """
      Also after a download that broke: this asks for it, and pays for it, again. With --dry-run, exit status 3 says that \
      something would be refused.
      """)

  @Argument(help: "The tasks, as screenplay/ID or pixxel/WORKFLOW/JOB/TASK.") var paths: [String]
  @Flag(help: "Only says what would be fetched, what it costs, and what the budget would say in this order.")
  var dryRun = false
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
      let tasks = try assembly.tasks(paths)
      if dryRun { return try show(try await FetchPlan(tasks, engine: assembly.engine)) }
      let fetching = Fetching(engine: assembly.engine)
      try await fetching.breakingOffOnSignals { () async throws(CommandFailure) in
        var fetched: [Fetched] = []
        var verdict = Verdict()
        for task in tasks {
          do throws(CommandFailure) {
            fetched.append(say(try await fetching.fetch(task)))
          } catch {
            fetched.append(Fetched(task: task.description, problem: error.message))
            verdict.note(task, error)
          }
        }
        if output.json { Output.json(fetched) }
        try verdict.end()
      }
    }
  }

  private func show(_ plan: FetchPlan) throws(CommandFailure) {
    if output.json { Output.json(plan.steps) } else { Output.say(plan.table) }
    if plan.refusals > 0 { throw CommandFailure("", status: .refusedByBudget) }
  }

  private func say(_ report: FetchReport) -> Fetched {
    if !output.json {
      let how = report.wasCached ? "in the cache already" : "fetched"
      Output.say("\(report.task): \(how), \(report.files) files, \(report.bytes.formatted)")
    }
    return Fetched(
      task: report.task.description, files: report.files, bytes: report.bytes.bytes, wasCached: report.wasCached)
  }
}
