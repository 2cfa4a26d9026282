import ArgumentParser
import Budget
import Foundation
import Tasks

struct BudgetCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "budget", abstract: "Shows the caps, what is spent and reserved, and when each window resets.")

  @Flag(help: "Draws what each of the last days has cost.") var history = false
  @Option(help: ArgumentHelp("How many days --history shows (default: 30).", valueName: "n")) var days: Int?
  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  /// Ten years: the chart has a line a day.
  private static let mostDays = 3_660

  func validate() throws {
    if days != nil && !history { throw ValidationError("--days goes with --history") }
    if let days, !(1...Self.mostDays).contains(days) {
      throw ValidationError("--days takes a number from 1 to \(Self.mostDays)")
    }
  }

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
    let dearestTask: String?
    let unsettled: String
    let assumeUnknown: Int64
    let approvals: [Approval]
    let asOf: Date
    /// The machine's clock, where no API has confirmed it.
    let unconfirmedClock: Date?

    init(_ summary: BudgetSummary) {
      isConfigured = summary.isConfigured
      windows = summary.windows.map {
        Window(
          cap: $0.cap.rawValue, limit: $0.limit?.description, spent: $0.spent.description,
          reserved: $0.reserved.description, left: $0.left?.description, resetsAt: $0.resetsAt)
      }
      dearestTask = summary.dearestTask?.task.description
      unsettled = summary.unsettled.description
      assumeUnknown = summary.assumeUnknown.bytes
      approvals = summary.approvals.map { Approval(task: $0.task.description, upTo: $0.upTo.description) }
      asOf = summary.now
      unconfirmedClock = summary.doubt?.machine
    }
  }

  struct Day: Encodable {
    let day: String
    let start: Date
    let charged: String
    let reserved: String
    let unsettled: String
    let purchases: Int

    init(_ spending: SpendingDay) {
      day = spending.day
      start = spending.start
      charged = spending.charged.description
      reserved = spending.reserved.description
      unsettled = spending.unsettled.description
      purchases = spending.purchases
    }
  }

  func perform() async throws(CommandFailure) {
    let configuration = try await common.configuration()
    let ledger = try await Assembly.openLedger(configuration, common.logger)
    do throws(BudgetFailure) {
      if history { return try await show(ledger.spending(days: days ?? 30)) }
      let summary = try await ledger.summary(caps: configuration.budget)
      if output.json { Output.json(Shown(summary)) } else { Output.say(LedgerText.budget(summary)) }
    } catch {
      throw CommandFailure(error)
    }
  }

  private func show(_ spending: [SpendingDay]) {
    if output.json { return Output.json(spending.map(Day.init)) }
    let chart = SpendingChart(
      width: Terminal.width(Terminal.variable), isUnicode: Terminal.isUnicode(Terminal.variable))
    Output.say(chart.render(spending))
  }
}
