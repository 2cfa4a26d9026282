import ArgumentParser
import FileSystem
import TaskTree
import Tasks

struct AddCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "add", abstract: "Lists a task in its source's directory, once the API has confirmed that it exists.")

  @Argument(help: "The tasks, as screenplay/ID or pixxel/WORKFLOW/JOB/TASK.") var paths: [String]
  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  struct Added: Encodable {
    let task: String
    let wasNew: Bool
  }

  func perform() async throws(CommandFailure) {
    try await common.withAssembly { (assembly) throws(CommandFailure) in
      var added: [Added] = []
      for task in try assembly.tasks(paths) {
        do throws(FileSystemFailure) {
          added.append(Added(task: task.description, wasNew: try await assembly.engine.add(task)))
        } catch {
          throw CommandFailure(error)
        }
        if !output.json, let last = added.last { Output.say("\(task): \(last.wasNew ? "added" : "is listed already")") }
      }
      if output.json { Output.json(added) }
    }
  }
}

struct ForgetCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "forget", abstract: "Takes a task off the list; calls no API and deletes nothing.")

  @Argument(help: "The tasks, as screenplay/ID or pixxel/WORKFLOW/JOB/TASK.") var paths: [String]
  @OptionGroup var common: CommonOptions

  func perform() async throws(CommandFailure) {
    try await common.withAssembly { (assembly) throws(CommandFailure) in
      for task in try assembly.tasks(paths) {
        do throws(FileSystemFailure) {
          try await assembly.engine.forget(task)
        } catch {
          throw CommandFailure(error)
        }
        Output.say("\(task): forgotten")
      }
    }
  }
}

struct ListCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "Lists the tasks of all sources, or of one.")

  @Argument(help: "A source.") var source: String?
  @Flag(name: .shortAndLong, help: "Asks the API for each task's status.") var long = false
  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  struct Listed: Encodable {
    let task: String
    let pinned: Bool
    var status: String?
    var problem: String?
  }

  func perform() async throws(CommandFailure) {
    try await common.withAssembly { (assembly) throws(CommandFailure) in
      var listed: [Listed] = []
      for source in try sources(of: assembly) {
        do throws(FileSystemFailure) {
          let pinned = try await assembly.engine.pinnedTasks()
          for task in try await assembly.engine.tasks(in: source) {
            listed.append(await entry(task, isPinned: pinned.contains(task), assembly.engine))
            if !output.json, let last = listed.last { Output.say(line(last)) }
          }
        } catch {
          throw CommandFailure(error)
        }
      }
      if output.json { Output.json(listed) }
    }
  }

  private func sources(of assembly: Assembly) throws(CommandFailure) -> [SourceName] {
    let known = assembly.engine.sourceNames
    guard let source else { return known }
    let name = source.split(separator: "/").last.map(String.init) ?? source
    guard let found = known.first(where: { $0.text == name }) else {
      throw CommandFailure("there is no source `\(name)` in the configuration", status: .wrongUsage)
    }
    return [found]
  }

  private func entry(_ task: TaskPath, isPinned: Bool, _ engine: TaskEngine) async -> Listed {
    guard long else { return Listed(task: task.description, pinned: isPinned) }
    do throws(FileSystemFailure) {
      let report = try await engine.status(of: task)
      return Listed(task: task.description, pinned: isPinned, status: report.status.state.word)
    } catch {
      return Listed(task: task.description, pinned: isPinned, problem: CommandFailure(error).message)
    }
  }

  private func line(_ listed: Listed) -> String {
    guard long else { return listed.task }
    return
      "\(listed.task)\t\(listed.status ?? "?")\(listed.pinned ? "\tpinned" : "")\(listed.problem.map { "\t\($0)" } ?? "")"
  }
}
