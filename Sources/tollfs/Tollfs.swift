import ArgumentParser

@main
struct Tollfs: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tollfs",
    abstract: "Mounts the results of paid task APIs as plain files, with a guard on what that costs.",
    discussion: """
      Exit status: 0 done, 1 failed, 3 refused by the budget, 64 wrong usage.
      PATH is screenplay/ID, or the same below a mountpoint.
      """,
    groupedSubcommands: [
      CommandGroup(
        name: "Mounting",
        subcommands: [MountCommand.self, UnmountCommand.self, DemoCommand.self, SimulateCommand.self]),
      CommandGroup(
        name: "Tasks",
        subcommands: [
          AddCommand.self, ForgetCommand.self, ListCommand.self, StatusCommand.self, WaitCommand.self,
        ]),
      CommandGroup(
        name: "Money",
        subcommands: [CostCommand.self, ApproveCommand.self, BudgetCommand.self, LedgerCommand.self]),
      CommandGroup(
        name: "Cache",
        subcommands: [
          FetchCommand.self, PinCommand.self, UnpinCommand.self, EvictCommand.self, VerifyCommand.self,
        ]),
      CommandGroup(name: "Setup", subcommands: [ConfigCommand.self, DoctorCommand.self]),
    ])
}
