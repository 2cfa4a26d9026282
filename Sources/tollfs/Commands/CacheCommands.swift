import ArgumentParser
import FileSystem
import TaskTree
import Tasks

struct PinCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "pin", abstract: "Keeps tasks' cached results from being evicted to make room.")

  @Argument(help: "The tasks, as screenplay/ID or pixxel/WORKFLOW/JOB/TASK.") var paths: [String]
  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  func perform() async throws(CommandFailure) {
    try await Pinning.set(true, paths, output, common)
  }
}

struct UnpinCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "unpin", abstract: "Lets pinned results be evicted again, when room is needed.")

  @Argument(help: "The tasks, as screenplay/ID or pixxel/WORKFLOW/JOB/TASK.") var paths: [String]
  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  func perform() async throws(CommandFailure) {
    try await Pinning.set(false, paths, output, common)
  }
}

private enum Pinning {
  struct Pinned: Encodable {
    let task: String
    let pinned: Bool
    var problem: String?
  }

  static func set(_ isPinned: Bool, _ paths: [String], _ output: OutputOptions, _ common: CommonOptions)
    async throws(CommandFailure)
  {
    try await common.withAssembly { (assembly) throws(CommandFailure) in
      var results: [Pinned] = []
      var verdict = Verdict()
      for task in try assembly.tasks(paths) {
        do throws(CommandFailure) {
          try await set(isPinned, task, assembly.engine)
          results.append(Pinned(task: task.description, pinned: isPinned))
          if !output.json { Output.say("\(task): \(isPinned ? "pinned" : "not pinned")") }
        } catch {
          results.append(Pinned(task: task.description, pinned: false, problem: error.message))
          verdict.note(task, error)
        }
      }
      if output.json { Output.json(results) }
      try verdict.end()
    }
  }

  private static func set(_ isPinned: Bool, _ task: TaskPath, _ engine: TaskEngine) async throws(CommandFailure) {
    do throws(FileSystemFailure) {
      // To unpin what is not there is no failure: nothing of it is pinned afterwards.
      guard try await !engine.setPinned(isPinned, task), isPinned else { return }
    } catch {
      throw CommandFailure(error)
    }
    throw CommandFailure("nothing of it was ever downloaded; `tollfs fetch \(task)` first")
  }
}

struct EvictCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "evict", abstract: "Removes tasks' cached bytes, and says what opening them again will cost.",
    discussion: """
      Names and sizes stay known. Programs that have a file open keep it; the next open downloads it again, within the budget.
      """)

  @Argument(help: "The tasks, as screenplay/ID or pixxel/WORKFLOW/JOB/TASK.") var paths: [String]
  @Flag(help: "Evicts pinned tasks, too; they stay pinned for the next time.") var force = false
  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  struct Evicted: Encodable {
    let task: String
    var freed: Int64?
    /// A decimal string of dollars, and whether it is exact.
    var costAgain: String?
    var costBasis: String?
    var problem: String?
  }

  func perform() async throws(CommandFailure) {
    try await common.withAssembly { (assembly) throws(CommandFailure) in
      var evicted: [Evicted] = []
      var verdict = Verdict()
      for task in try assembly.tasks(paths) {
        do throws(FileSystemFailure) {
          let report = try await assembly.engine.evict(task, evenPinned: force, requester: .thisCommand)
          evicted.append(
            Evicted(
              task: task.description, freed: report.freed.bytes, costAgain: report.again.cost.description,
              costBasis: report.again.isExact ? "exact" : "assumed"))
          if !output.json { Output.say(Self.line(report)) }
        } catch {
          var problem = CommandFailure(error)
          if error.kind == .accessDenied {
            problem = CommandFailure("\(error.reason); `tollfs unpin \(task)` first, or --force")
          }
          evicted.append(Evicted(task: task.description, problem: problem.message))
          verdict.note(task, problem)
        }
      }
      if output.json { Output.json(evicted) }
      try verdict.end()
    }
  }

  static func line(_ report: EvictionReport) -> String {
    let again = "opening it costs \(report.again.cost) (size \(report.again.isExact ? "exact" : "assumed"))"
    guard report.freed > .zero else { return "\(report.task): nothing in the cache; \(again)" }
    return "\(report.task): \(report.freed) bytes freed (\(report.freed.formatted)); \(again)"
  }
}
