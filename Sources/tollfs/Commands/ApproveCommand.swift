import ArgumentParser
import Budget
import Tasks

struct ApproveCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "approve",
    abstract: "Lets one task's next download pass every cap but `total`, once, up to an amount.")

  @Argument(help: "The task, as screenplay/ID or pixxel/WORKFLOW/JOB/TASK.") var path: String
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
    let ledger = try await Assembly.openLedger(configuration, common.logger)
    do throws(BudgetFailure) {
      try await ledger.approve(task, upTo: amount, by: .thisCommand)
    } catch {
      throw CommandFailure(error)
    }
    Output.say("\(task): the next download may cost up to \(amount)")
  }
}
