/// Settings from the environment and from `--set`, laid over the file's.
///
/// A variable is `TOLLFS_` and the key in capitals, with `_` for every dot and every character of a source's name that is
/// not a letter or digit: `budget.per_task` is `TOLLFS_BUDGET_PER_TASK`, `sources.my-films.price_per_gb` is
/// `TOLLFS_SOURCES_MY_FILMS_PRICE_PER_GB`. A source must be in the file: a variable can't invent one. Lists are
/// separated by commas.
enum ConfigurationOverrides {
  static let prefix = "TOLLFS_"

  /// Variables of ours that are not settings: which file to read, and what the build and the tests use.
  static let otherVariables: Set<String> = ["TOLLFS_CONFIG", "TOLLFS_STRICT", "TOLLFS_CORPUS"]
  static let testPrefix = "TOLLFS_TEST_"

  static func environment(_ variables: [String: String], sourceNames: [String]) throws(ConfigurationFailure)
    -> SettingLayer
  {
    let names = variableNames(sourceNames: sourceNames)
    var layer = SettingLayer()
    var problems: [ConfigurationProblem] = []
    for (variable, text) in variables.sorted(by: { $0.key < $1.key }) where isSetting(variable) {
      let origin = SettingOrigin.environment(name: variable)
      let keys = names[variable] ?? []
      if keys.count == 1, let key = keys.first {
        set(key, to: text, from: origin, in: &layer, &problems)
      } else {
        let message =
          keys.isEmpty
          ? unknownVariable(variable, known: names, sourceNames: sourceNames)
          : "may mean any of \(keys.map(\.description).sorted().joined(separator: ", ")); set it in the file"
        problems.append(ConfigurationProblem(origin: origin, key: "", message: message))
      }
    }
    guard problems.isEmpty else { throw ConfigurationFailure(problems) }
    return layer
  }

  /// - Parameter assignments: `KEY=VALUE`, as given to `--set`.
  static func flags(_ assignments: [String], sourceNames: [String]) throws(ConfigurationFailure) -> SettingLayer {
    var layer = SettingLayer()
    var problems: [ConfigurationProblem] = []
    for assignment in assignments {
      let parts = assignment.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let origin = SettingOrigin.flag("--set \(parts[0])")
      if parts.count != 2 {
        problems.append(ConfigurationProblem(origin: origin, key: "", message: "write --set KEY=VALUE"))
      } else if let key = settingKey(parts[0], sourceNames: sourceNames) {
        set(key, to: parts[1], from: origin, in: &layer, &problems)
      } else {
        let known = allKeys(sourceNames: sourceNames).map(\.description)
        let near = Spelling.nearest(to: parts[0], among: known).map { "; did you mean `\($0)`?" } ?? ""
        problems.append(ConfigurationProblem(origin: origin, key: "", message: "there is no such key\(near)"))
      }
    }
    guard problems.isEmpty else { throw ConfigurationFailure(problems) }
    return layer
  }

  // MARK: Names

  private static func isSetting(_ variable: String) -> Bool {
    variable.hasPrefix(prefix) && !otherVariables.contains(variable) && !variable.hasPrefix(testPrefix)
  }

  static func allKeys(sourceNames: [String]) -> [SettingKey] {
    var keys = ConfigurationSchema.topKeys.keys.map { SettingKey($0) }
    for (section, names) in ConfigurationSchema.sections {
      keys += names.keys.map { SettingKey(section, $0) }
    }
    for source in sourceNames {
      keys += ConfigurationSchema.sourceKeys.keys.map { SettingKey(ConfigurationSchema.sourcesSection, source, $0) }
    }
    return keys
  }

  static func variableName(of key: SettingKey) -> String {
    let words = key.parts.map { part in
      String(part.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }
    return prefix + words.joined(separator: "_")
  }

  private static func variableNames(sourceNames: [String]) -> [String: [SettingKey]] {
    Dictionary(grouping: allKeys(sourceNames: sourceNames), by: variableName)
  }

  private static func settingKey(_ text: String, sourceNames: [String]) -> SettingKey? {
    allKeys(sourceNames: sourceNames).first { $0.description == text }
  }

  private static func unknownVariable(
    _ variable: String, known: [String: [SettingKey]], sourceNames: [String]
  ) -> String {
    if let near = Spelling.nearest(to: variable, among: known.keys) {
      return "is no setting of tollfs; did you mean \(near)?"
    }
    if variable.hasPrefix(prefix + "SOURCES_") {
      let names = sourceNames.isEmpty ? "it has none" : "it has \(sourceNames.joined(separator: ", "))"
      return "names no setting of a source in the configuration file (\(names))"
    }
    return "is no setting of tollfs; unset it (config show lists every setting)"
  }

  // MARK: Values

  private static func set(
    _ key: SettingKey, to text: String, from origin: SettingOrigin, in layer: inout SettingLayer,
    _ problems: inout [ConfigurationProblem]
  ) {
    switch ConfigurationSchema.shape(of: key) {
    case .list:
      let items = text.split(separator: ",").map { RawItem(text: trimmed(String($0)), origin: origin) }
      layer.settings[key] = RawSetting(content: .list(items), origin: origin)
    case .text where trimmed(text).isEmpty:
      // An empty variable must not take a cap away.
      let message = "has no value; give one or unset it"
      problems.append(ConfigurationProblem(origin: origin, key: key.description, message: message))
    case .text, nil:
      layer.settings[key] = RawSetting(content: .text(trimmed(text)), origin: origin)
    }
    if key.parts.count == 2, layer.sections[SettingKey(key.parts[0])] == nil {
      layer.sections[SettingKey(key.parts[0])] = origin
    }
  }

  private static func trimmed(_ text: String) -> String {
    let start = text.drop { $0.isWhitespace }
    return String(start.reversed().drop { $0.isWhitespace }.reversed())
  }
}
