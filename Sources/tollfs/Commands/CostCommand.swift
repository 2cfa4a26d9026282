import ArgumentParser
import Budget
import FileSystem
import TaskTree
import Tasks

struct CostCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "cost", abstract: "Says what fetching tasks would cost, and whether the budget allows it.",
    discussion: """
      Makes no billed call. Several tasks are shown as a table with a total; each by itself, as if it were the only one: \
      `tollfs fetch --dry-run` says what is left for the last of them.
      """)

  @Argument(help: "The tasks, as screenplay/ID or pixxel/WORKFLOW/JOB/TASK.") var paths: [String] = []
  @Flag(help: "All tasks that the sources list.") var all = false
  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if paths.isEmpty != all { throw ValidationError("name some tasks, or --all") }
  }

  /// Amounts are decimal strings of dollars: a JSON number would become floating point.
  struct Quoted: Encodable {
    let task: String
    let pricePerGB: String
    let bytes: Int64
    let bytesBasis: String
    let cost: String
    let charged: String
    let budgetLeft: String?
    let verdict: String
    let reason: String

    init(_ report: CostReport) {
      task = report.task.description
      pricePerGB = report.pricePerGigabyte.description
      bytes = report.bytes.bytes
      bytesBasis = report.basis
      cost = report.cost.description
      charged = report.charged.description
      budgetLeft = report.budgetLeft?.description
      verdict = report.verdict.rawValue
      reason = report.reason
    }
  }

  func perform() async throws(CommandFailure) {
    try await common.withAssembly { (assembly) throws(CommandFailure) in
      var verdict = Verdict()
      let tasks = all ? await listed(by: assembly.engine, &verdict) : try assembly.tasks(paths)
      var reports: [CostReport] = []
      for task in tasks {
        do throws(FileSystemFailure) {
          reports.append(try await assembly.engine.cost(of: task, requester: .thisCommand))
        } catch {
          verdict.note(task, CommandFailure(error))
        }
      }
      if output.json {
        Output.json(reports.map(Quoted.init))
      } else if !all, paths.count == 1 {
        reports.forEach { Output.say($0.text) }
      } else {
        Output.say(Self.table(reports))
      }
      try verdict.end()
    }
  }

  /// A source that can't be listed does not hide the others.
  private func listed(by engine: TaskEngine, _ verdict: inout Verdict) async -> [TaskPath] {
    var tasks: [TaskPath] = []
    for source in engine.sourceNames {
      do throws(FileSystemFailure) {
        tasks += try await engine.tasks(in: source)
      } catch {
        Output.complain("\(source): \(CommandFailure(error).message)")
        verdict.fail()
      }
    }
    return tasks
  }

  /// What is in the cache is no part of the total's bytes: it would not be fetched.
  static func table(_ reports: [CostReport]) -> String {
    var rows = [["task", "size", "basis", "cost", "verdict", "reason"]]
    for report in reports {
      rows.append([
        report.task.description, report.bytes.formatted, report.basis, report.cost.description,
        report.verdict.rawValue, report.reason,
      ])
    }
    let bytes = reports.reduce(ByteCount.zero) { $1.verdict == .cached ? $0 : $0 + $1.bytes }
    let cost = reports.reduce(Dollars.zero) { $0 + $1.cost }
    rows.append(["total", bytes.formatted, "", cost.description])
    return TextTable.render(rows, rightAligned: [1, 3])
  }
}

extension CostReport {
  var basis: String { isExact ? Estimate.Basis.exact.rawValue : Estimate.Basis.assumed.rawValue }
}
