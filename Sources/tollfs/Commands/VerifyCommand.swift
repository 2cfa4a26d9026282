import ArgumentParser
import FileSystem
import ResultCache
import TaskTree
import Tasks

struct VerifyCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Checks every cached byte against its checksums, and lists what is damaged or lost.",
    discussion: """
      What is damaged can't be opened from then on (EBADMSG) until it is downloaded again: by --repair or `tollfs fetch`, \
      within the budget. What costs nothing is downloaded again at once. Exit status 1 when damage is left.
      """)

  @Argument(help: "The tasks, as screenplay/ID or pixxel/WORKFLOW/JOB/TASK; all that are in the cache unless given.")
  var paths: [String] = []
  @Flag(help: "Says what it costs to download the damaged tasks again, and does it.") var repair = false
  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  func perform() async throws(CommandFailure) {
    try await common.withAssembly { (assembly) throws(CommandFailure) in
      let tasks = try await tasks(assembly)
      let fetching = Fetching(engine: assembly.engine)
      var verdict = Verdict()
      var checked: [Checked] = []
      for task in tasks { checked.append(await check(task, assembly.engine, &verdict)) }
      // Only from here on a signal has something to put in order.
      let orders = await quotes(for: checked, assembly.engine, &verdict)
      if !orders.isEmpty {
        try await fetching.breakingOffOnSignals { () async throws(CommandFailure) in
          for order in orders { await mend(order, &checked, fetching, &verdict) }
        }
      }
      if output.json { Output.json(checked.map(Shown.init)) }
      if checked.contains(where: \.isDamaged) { verdict.fail() }
      try verdict.end()
    }
  }

  /// A task and what was found of it.
  struct Checked {
    let task: TaskPath
    /// Nil when nothing of it was ever downloaded, or the check itself failed.
    var report: VerificationReport?
    var repairCost: Dollars?
    var isRepaired = false
    var problem: String?

    var isDamaged: Bool {
      guard let report else { return false }
      return !report.unreadable.isEmpty || (!report.damaged.isEmpty && !isRepaired)
    }
  }

  struct Shown: Encodable {
    struct Finding: Encodable {
      let path: String
      let reason: String

      init(_ finding: VerificationReport.Finding) {
        path = finding.path.joined(separator: "/")
        reason = finding.reason
      }
    }

    let task: String
    let files: Int
    let bytes: Int64
    let evicted: Int
    let damaged: [Finding]
    let unreadable: [Finding]
    /// A decimal string of dollars.
    let repairCost: String?
    let repaired: Bool
    let problem: String?

    init(_ checked: Checked) {
      task = checked.task.description
      let report = checked.report ?? VerificationReport()
      files = report.files
      bytes = report.bytes.bytes
      evicted = report.evicted
      damaged = report.damaged.map(Finding.init)
      unreadable = report.unreadable.map(Finding.init)
      repairCost = checked.repairCost?.description
      repaired = checked.isRepaired
      problem = checked.problem
    }
  }

  // MARK: - checking

  private func tasks(_ assembly: Assembly) async throws(CommandFailure) -> [TaskPath] {
    guard paths.isEmpty else {
      var seen: Set<TaskPath> = []
      return try assembly.tasks(paths).filter { seen.insert($0).inserted }
    }
    do throws(FileSystemFailure) {
      return try await assembly.engine.cachedTasks()
    } catch {
      throw CommandFailure(error)
    }
  }

  private func check(_ task: TaskPath, _ engine: TaskEngine, _ verdict: inout Verdict) async -> Checked {
    let display = ProgressDisplay(isTerminal: Output.errorsGoToATerminal)
    defer { display.end() }
    do throws(FileSystemFailure) {
      let report = try await engine.verify(task) { progress in
        display.show { ProgressText.render(task: task.description, progress, withBar: $0) }
      }
      display.end()
      if !output.json { Output.say(Self.text(task, report)) }
      return Checked(task: task, report: report)
    } catch {
      display.end()
      let problem = CommandFailure(error)
      verdict.note(task, problem)
      return Checked(task: task, problem: problem.message)
    }
  }

  static func text(_ task: TaskPath, _ report: VerificationReport?) -> String {
    guard let report else { return "\(task): nothing in the cache" }
    var line = "\(task): \(report.files) files right, \(report.bytes.formatted)"
    if !report.damaged.isEmpty { line += ", \(report.damaged.count) damaged or lost" }
    if !report.unreadable.isEmpty { line += ", \(report.unreadable.count) unreadable" }
    if report.evicted > 0 { line += ", \(report.evicted) evicted" }
    let findings = report.damaged.map { ("damaged", $0) } + report.unreadable.map { ("unreadable", $0) }
    let lines = findings.map { "\($0): \(task)/results/\($1.path.joined(separator: "/")): \($1.reason)" }
    return ([line] + lines).joined(separator: "\n")
  }

  // MARK: - repair

  private struct Order {
    let index: Int
    let task: TaskPath
    let cost: Dollars
    let isExact: Bool
  }

  /// What shall be downloaded again, its price said beforehand; without `--repair` only what costs nothing.
  private func quotes(for checked: [Checked], _ engine: TaskEngine, _ verdict: inout Verdict) async -> [Order] {
    var orders: [Order] = []
    var offers: [Order] = []
    for (index, item) in checked.enumerated() where item.report?.damaged.isEmpty == false {
      do throws(FileSystemFailure) {
        let cost = try await engine.cost(of: item.task, requester: .thisCommand)
        let order = Order(index: index, task: item.task, cost: cost.cost, isExact: cost.isExact)
        if repair || engine.isMendedByItself(item.task) { orders.append(order) } else { offers.append(order) }
      } catch {
        verdict.note(item.task, CommandFailure(error))
      }
    }
    for order in orders { Output.note("repairing \(Self.price(of: order))") }
    if orders.count > 1 { Output.note("repairing all of them costs \(orders.reduce(.zero) { $0 + $1.cost })") }
    for order in offers { Output.note("--repair or `tollfs fetch` downloads it again: \(Self.price(of: order))") }
    return orders
  }

  private static func price(of order: Order) -> String {
    order.cost == .zero
      ? "\(order.task) costs nothing"
      : "\(order.task) costs \(order.cost) (size \(order.isExact ? "exact" : "assumed"))"
  }

  private func mend(_ order: Order, _ checked: inout [Checked], _ fetching: Fetching, _ verdict: inout Verdict) async {
    checked[order.index].repairCost = order.cost
    do throws(CommandFailure) {
      let report = try await fetching.fetch(order.task)
      checked[order.index].isRepaired = true
      if !output.json { Output.say("\(order.task): repaired, \(report.files) files, \(report.bytes.formatted)") }
    } catch {
      checked[order.index].problem = error.message
      verdict.note(order.task, error)
    }
  }
}
