/// Where a value of the configuration came from.
enum SettingOrigin: Hashable, Sendable, CustomStringConvertible {
  /// Lines count from 1; 0 is the file as a whole.
  case file(path: String, line: Int)
  case environment(name: String)
  case flag(String)
  case builtIn

  var description: String {
    switch self {
    case .file(let path, let line): line > 0 ? "\(path):\(line)" : path
    case .environment(let name): "environment \(name)"
    case .flag(let flag): "flag \(flag)"
    case .builtIn: "default"
    }
  }
}

/// One thing that is wrong with the configuration.
struct ConfigurationProblem: Hashable, Sendable, CustomStringConvertible {
  let origin: SettingOrigin
  /// Dotted, as in `budget.daily`; empty where the file as a whole is meant.
  let key: String
  /// What is wrong and how to mend it. Never holds a value that may be a secret.
  let message: String

  var description: String {
    key.isEmpty ? "\(origin): \(message)" : "\(origin): \(key): \(message)"
  }
}

/// The configuration can't be used; says everything that is wrong with it at once.
struct ConfigurationFailure: Error, Hashable, Sendable, CustomStringConvertible {
  let problems: [ConfigurationProblem]

  init(_ problems: [ConfigurationProblem]) {
    self.problems = problems
  }

  init(_ origin: SettingOrigin, _ key: String = "", _ message: String) {
    problems = [ConfigurationProblem(origin: origin, key: key, message: message)]
  }

  var description: String { problems.map(\.description).joined(separator: "\n") }
}

/// A dotted key such as `budget.daily`. A source's name may itself hold dots, so keys are kept in parts.
struct SettingKey: Hashable, Sendable, CustomStringConvertible {
  let parts: [String]

  init(_ parts: String...) {
    self.parts = parts
  }

  init(_ parts: [String]) {
    self.parts = parts
  }

  var description: String { parts.joined(separator: ".") }
}

/// A setting as it was written, before it is understood.
struct RawSetting: Hashable, Sendable {
  enum Content: Hashable, Sendable {
    case text(String)
    case list([RawItem])
  }

  let content: Content
  let origin: SettingOrigin
}

/// One item of a list.
struct RawItem: Hashable, Sendable {
  let text: String
  let origin: SettingOrigin
}

/// Settings by key, from one place or from several laid over one another.
struct SettingLayer: Sendable {
  var settings: [SettingKey: RawSetting] = [:]
  /// Sections that are there, whether or not anything is in them.
  var sections: [SettingKey: SettingOrigin] = [:]
  /// In the order of the file.
  var sourceNames: [String] = []

  /// Lays `upper` over this one: what it sets wins.
  func overlaid(by upper: SettingLayer) -> SettingLayer {
    var result = self
    result.settings.merge(upper.settings) { _, new in new }
    result.sections.merge(upper.sections) { old, _ in old }
    // One account has one way to get its key: a higher layer that names one replaces whichever the lower one has.
    for key in upper.settings.keys where ConfigurationSchema.keySourceKeys.contains(key.parts.last ?? "") {
      for other in ConfigurationSchema.keySourceKeys {
        let sibling = SettingKey(key.parts.dropLast() + [other])
        if upper.settings[sibling] == nil { result.settings[sibling] = nil }
      }
    }
    return result
  }
}
