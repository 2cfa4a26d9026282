import ArgumentParser
import Budget
import FileSystem
import Foundation
import TaskTree
import Tasks

struct CostCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "cost", abstract: "Says what fetching tasks would cost, and whether the budget allows it.",
    discussion: "Makes no billed call.")

  @Argument(help: "The tasks, as screenplay/ID.") var paths: [String]
  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

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
      bytesBasis = report.isExact ? "exact" : "assumed"
      cost = report.cost.description
      charged = report.charged.description
      budgetLeft = report.budgetLeft?.description
      verdict = report.verdict.rawValue
      reason = report.reason
    }
  }

  func perform() async throws(CommandFailure) {
    try await common.withAssembly { (assembly) throws(CommandFailure) in
      var reports: [CostReport] = []
      for task in try assembly.tasks(paths) {
        do throws(FileSystemFailure) {
          reports.append(try await assembly.engine.cost(of: task, requester: .thisCommand))
        } catch {
          throw CommandFailure(error)
        }
      }
      if output.json { return Output.json(reports.map(Quoted.init)) }
      for (index, report) in reports.enumerated() {
        let heading = reports.count > 1 ? "\(index == 0 ? "" : "\n")task: \(report.task)\n" : ""
        Output.say(heading + report.text)
      }
    }
  }
}

struct ApproveCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "approve",
    abstract: "Lets one task's next download pass every cap but `total`, once, up to an amount.")

  @Argument(help: "The task, as screenplay/ID.") var path: String
  @Option(help: ArgumentHelp("The most that it may cost, in dollars.", valueName: "amount")) var max: String
  @OptionGroup var common: CommonOptions

  func perform() async throws(CommandFailure) {
    let amount: Dollars
    do throws(UnreadableValue) {
      amount = try SettingValues.dollars(max)
    } catch {
      throw CommandFailure(error)
    }
    guard amount > .zero else { throw CommandFailure("--max must be more than nothing", status: .wrongUsage) }
    let configuration = try await common.configurationWithSources()
    let task: TaskPath
    do throws(UnreadableValue) {
      task = try Assembly.reference(configuration).task(path)
    } catch {
      throw CommandFailure(error)
    }
    do throws(BudgetFailure) {
      let ledger = try await Ledger(stateDirectory: configuration.stateDirectory, logger: common.logger)
      try await ledger.approve(task, upTo: amount, by: .thisCommand)
    } catch {
      throw CommandFailure(error)
    }
    Output.say("\(task): the next download may cost up to \(amount)")
  }
}

struct BudgetCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "budget", abstract: "Shows the caps, what is spent and reserved, and when each window resets.")

  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  struct Shown: Encodable {
    struct Window: Encodable {
      let cap: String
      let limit: String?
      let spent: String
      let reserved: String
      let left: String?
      let resetsAt: Date?
    }

    struct Approval: Encodable {
      let task: String
      let upTo: String
    }

    let isConfigured: Bool
    let windows: [Window]
    let unsettled: String
    let assumeUnknown: Int64
    let approvals: [Approval]
    let asOf: Date

    init(_ summary: BudgetSummary) {
      isConfigured = summary.isConfigured
      windows = summary.windows.map {
        Window(
          cap: $0.cap.rawValue, limit: $0.limit?.description, spent: $0.spent.description,
          reserved: $0.reserved.description, left: $0.left?.description, resetsAt: $0.resetsAt)
      }
      unsettled = summary.unsettled.description
      assumeUnknown = summary.assumeUnknown.bytes
      approvals = summary.approvals.map { Approval(task: $0.task.description, upTo: $0.upTo.description) }
      asOf = summary.now
    }
  }

  func perform() async throws(CommandFailure) {
    let configuration = try await common.configuration()
    do throws(BudgetFailure) {
      let ledger = try await Ledger(stateDirectory: configuration.stateDirectory, logger: common.logger)
      let summary = try await ledger.summary(caps: configuration.budget)
      if output.json { Output.json(Shown(summary)) } else { Output.say(LedgerText.budget(summary)) }
    } catch {
      throw CommandFailure(error)
    }
  }
}

struct LedgerCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "ledger", abstract: "Prints every purchase with its present state, as CSV.")

  @Flag(help: "Prints the history behind it, one line an event.") var events = false
  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  struct Bought: Encodable {
    let id: Int64
    let time: Date
    let task: String
    let bytes: Int64
    let cost: String
    let reserved: String
    let state: String
    let pid: Int32
    let command: String
    let path: String
    let reason: String

    init(_ purchase: Purchase) {
      id = purchase.id
      time = purchase.time
      task = purchase.task.description
      bytes = purchase.bytes.bytes
      cost = purchase.charge.description
      reserved = purchase.reserved.description
      state = purchase.state.rawValue
      pid = purchase.requester.processID
      command = purchase.requester.command
      path = purchase.path
      reason = purchase.reason
    }
  }

  struct Happened: Encodable {
    let id: Int64
    let time: Date
    let event: String
    let purchase: Int64?
    let task: String
    let bytes: Int64
    let amount: String
    let reason: String

    init(_ event: LedgerEvent) {
      id = event.id
      time = event.time
      self.event = event.kind.rawValue
      purchase = event.purchase
      task = event.task.description
      bytes = event.bytes.bytes
      amount = event.amount.description
      reason = event.reason
    }
  }

  func perform() async throws(CommandFailure) {
    let configuration = try await common.configuration()
    do throws(BudgetFailure) {
      let ledger = try await Ledger(stateDirectory: configuration.stateDirectory, logger: common.logger)
      if events {
        let events = try await ledger.events()
        if output.json { Output.json(events.map(Happened.init)) } else { Output.say(LedgerText.eventsCSV(events)) }
      } else {
        let purchases = try await ledger.purchases()
        if output.json { Output.json(purchases.map(Bought.init)) } else { Output.say(LedgerText.ledgerCSV(purchases)) }
      }
    } catch {
      throw CommandFailure(error)
    }
  }
}
