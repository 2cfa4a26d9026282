import ArgumentParser

struct ConfigCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Checks and shows the configuration.",
    subcommands: [ConfigCheckCommand.self, ConfigShowCommand.self])
}

struct ConfigCheckCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Says whether the configuration can be used, and everything that is wrong with it.")

  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  struct Checked: Encodable {
    struct Problem: Encodable {
      let origin: String
      let key: String
      let message: String
    }

    let ok: Bool
    let file: String?
    let problems: [Problem]
    let remarks: [String]
  }

  func perform() async throws(CommandFailure) {
    let loader = common.loader()
    do throws(ConfigurationFailure) {
      let configuration = try await BlockingCall.run { () throws(ConfigurationFailure) in try loader.load() }
      let remarks = Self.remarks(on: configuration)
      if output.json {
        return Output.json(Checked(ok: true, file: configuration.file, problems: [], remarks: remarks))
      }
      Output.say("\(configuration.file ?? "no configuration file"): ok")
      for remark in remarks { Output.say("note: \(remark)") }
    } catch {
      guard output.json else { throw CommandFailure(error) }
      let problems = error.problems.map {
        Checked.Problem(origin: $0.origin.description, key: $0.key, message: $0.message)
      }
      Output.json(Checked(ok: false, file: loader.expectedPath, problems: problems, remarks: []))
      throw CommandFailure("")
    }
  }

  /// What is allowed and may surprise.
  static func remarks(on configuration: Configuration) -> [String] {
    var remarks: [String] = []
    if configuration.sources.isEmpty { remarks.append("there are no sources, so there is nothing to mount") }
    if configuration.budget == nil, configuration.sources.contains(where: { !$0.price.isFree }) {
      remarks.append("there is no budget, so nothing billed is ever opened; set budget.daily, for example")
    }
    for source in configuration.sources where source.kind == .pixxel {
      remarks.append("\(source.name): sources of the kind pixxel can't be mounted yet")
    }
    for source in configuration.sources where source.kind == .screenplay && source.price.isFree {
      remarks.append("\(source.name): the price is 0, so the budget does not guard it")
    }
    return remarks
  }
}

struct ConfigShowCommand: TollfsCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Prints every setting in force and where it came from; never a secret.")

  @OptionGroup var output: OutputOptions
  @OptionGroup var common: CommonOptions

  struct Shown: Encodable {
    let key: String
    let value: String?
    let origin: String
  }

  func perform() async throws(CommandFailure) {
    let configuration = try await common.configuration()
    if output.json {
      let shown = configuration.settings.map { Shown(key: $0.key, value: $0.text, origin: $0.origin.description) }
      return Output.json(shown)
    }
    Output.say("# \(configuration.file ?? "no configuration file; everything is a default")")
    for setting in configuration.settings {
      Output.say("\(setting.key): \(setting.text ?? "(not set)")  # \(setting.origin)")
    }
  }
}
