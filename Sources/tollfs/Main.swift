import ArgumentParser

@main
struct Tollfs: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tollfs",
    abstract: "Mounts the results of paid task APIs as plain files, with a guard on what that costs.")
}
