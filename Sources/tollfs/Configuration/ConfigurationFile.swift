import Dispatch
import Foundation
import Yams

/// Reads the YAML file into settings that remember their lines.
struct ConfigurationFile {
  /// A thousand tasks fit; what is larger is some other file.
  static let maximumBytes = 1 << 20
  /// Aliases multiply: 20 of them can make at most about 1,500 nodes, more could make more than memory holds.
  static let maximumAliases = 20

  let path: String
  private(set) var layer = SettingLayer()
  private(set) var problems: [ConfigurationProblem] = []

  /// - Throws: everything that is wrong with keys and shapes; values are looked at later.
  static func layer(path: String, text: String) throws(ConfigurationFailure) -> SettingLayer {
    var file = ConfigurationFile(path: path)
    if let root = try file.compose(text) { file.readTop(root) }
    guard file.problems.isEmpty else { throw ConfigurationFailure(file.problems) }
    return file.layer
  }

  private init(path: String) {
    self.path = path
  }

  // MARK: Parsing

  private func compose(_ text: String) throws(ConfigurationFailure) -> Node? {
    let whole = SettingOrigin.file(path: path, line: 0)
    guard text.utf8.count <= Self.maximumBytes else {
      throw ConfigurationFailure(whole, "", "larger than 1 MiB: this is no configuration")
    }
    guard Self.aliasCount(in: text) <= Self.maximumAliases else {
      throw ConfigurationFailure(whole, "", "too many aliases (*name); write the values out")
    }
    switch Self.composeOnLargeStack(text) {
    case .success(let parsed): return parsed.root
    case .failure(let error): throw failure(error)
    }
  }

  private static func aliasCount(in text: String) -> Int {
    var count = 0
    var previous = UInt8(ascii: "\n")
    for byte in text.utf8 {
      // Inside a word or a number a star starts no alias.
      if previous == UInt8(ascii: "*"), byte > 0x20, byte != UInt8(ascii: "*") { count += 1 }
      previous = byte
    }
    return count
  }

  private struct Parsed: @unchecked Sendable {
    // Yams' nodes are not Sendable because of their weak anchors; this one is handed over once and not shared.
    let root: Node?
  }

  private struct Unreadable: Error {
    let line: Int
    let message: String
  }

  /// The parser recurses for each of up to 1,000 levels of nesting (libyaml's limit), which is more than the stack of a
  /// cooperative thread holds.
  private static func composeOnLargeStack(_ text: String) -> Result<Parsed, Unreadable> {
    let done = DispatchSemaphore(value: 0)
    let box = ParseBox()
    let thread = Thread {
      box.result = Result { try Parsed(root: Yams.compose(yaml: text)) }.mapError(unreadable)
      done.signal()
    }
    thread.stackSize = 16 << 20
    thread.start()
    done.wait()
    return box.result
  }

  private final class ParseBox: @unchecked Sendable {
    // Written by the one thread before it signals, read after that.
    var result: Result<Parsed, Unreadable> = .success(Parsed(root: nil))
  }

  private static func unreadable(_ error: any Error) -> Unreadable {
    switch error as? YamlError {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      return Unreadable(line: mark.line, message: "not valid YAML: \(problem) (column \(mark.column))")
    case .duplicatedKeysInMapping(let duplicates, let context):
      let names = duplicates.map { "`\($0)`" }.joined(separator: ", ")
      return Unreadable(line: context.mark.line, message: "the key \(names) is given more than once; keep one")
    case .reader(let problem, _, _, _):
      return Unreadable(line: 1, message: "can't be read as text: \(problem)")
    default:
      return Unreadable(line: 1, message: "not valid YAML")
    }
  }

  private func failure(_ error: Unreadable) -> ConfigurationFailure {
    ConfigurationFailure(.file(path: path, line: max(1, error.line)), "", error.message)
  }

  // MARK: Walking

  private mutating func readTop(_ root: Node) {
    if isEmpty(root) { return }
    for (name, key, value) in pairs(of: root, at: SettingKey()) {
      if let shape = ConfigurationSchema.topKeys[name] {
        read(value, shape, at: SettingKey(name))
      } else if let keys = ConfigurationSchema.sections[name] {
        layer.sections[SettingKey(name)] = origin(key)
        readSection(value, keys, at: SettingKey(name))
      } else if name == ConfigurationSchema.sourcesSection {
        readSources(value, key: key)
      } else {
        let message = ConfigurationSchema.unknownKey(name, in: nil, known: ConfigurationSchema.topNames)
        note(origin(key), SettingKey(name), message)
      }
    }
  }

  private mutating func readSources(_ node: Node, key: Node) {
    let section = SettingKey(ConfigurationSchema.sourcesSection)
    layer.sections[section] = origin(key)
    for (name, key, value) in pairs(of: node, at: section) {
      let source = SettingKey(section.parts + [name])
      layer.sections[source] = origin(key)
      layer.sourceNames.append(name)
      readSection(value, ConfigurationSchema.sourceKeys, at: source)
    }
  }

  private mutating func readSection(_ node: Node, _ keys: [String: ConfigurationSchema.Shape], at section: SettingKey) {
    if isEmpty(node) { return }
    for (name, key, value) in pairs(of: node, at: section) {
      let setting = SettingKey(section.parts + [name])
      if let shape = keys[name] {
        read(value, shape, at: setting)
      } else {
        let message = ConfigurationSchema.unknownKey(name, in: section.parts.first, known: Array(keys.keys))
        note(origin(key), setting, message)
      }
    }
  }

  private mutating func read(_ node: Node, _ shape: ConfigurationSchema.Shape, at key: SettingKey) {
    switch (shape, node) {
    case (.text, .scalar(let scalar)):
      if isEmpty(node) {
        note(origin(node), key, "has no value; give one or drop the key")
      } else {
        layer.settings[key] = RawSetting(content: .text(scalar.string), origin: origin(node))
      }
    case (.text, _):
      note(origin(node), key, "must be a single value, not a list or a section")
    case (.list, .sequence(let items)):
      layer.settings[key] = RawSetting(content: .list(read(items, at: key)), origin: origin(node))
    case (.list, _):
      note(origin(node), key, "must be a list, such as [first, second]")
    }
  }

  private mutating func read(_ items: Node.Sequence, at key: SettingKey) -> [RawItem] {
    var result: [RawItem] = []
    for item in items {
      if let scalar = item.scalar, !isEmpty(item) {
        result.append(RawItem(text: scalar.string, origin: origin(item)))
      } else {
        note(origin(item), key, "every item must be a single value")
      }
    }
    return result
  }

  /// The entries of a mapping whose keys are plain words; anything else is noted as a problem.
  private mutating func pairs(of node: Node, at section: SettingKey) -> [(name: String, key: Node, value: Node)] {
    guard let mapping = node.mapping else {
      let message = isEmpty(node) ? "is empty; give it keys or drop it" : "must be a section of `key: value` lines"
      note(origin(node), section, message)
      return []
    }
    var result: [(name: String, key: Node, value: Node)] = []
    for (key, value) in mapping {
      guard let name = key.scalar?.string else {
        note(origin(key), section, "every key must be a single word")
        continue
      }
      // Yams holds `5` and `"5"` to be different keys.
      guard !result.contains(where: { $0.name == name }) else {
        note(origin(key), SettingKey(section.parts + [name]), "is given more than once; keep one")
        continue
      }
      result.append((name, key, value))
    }
    return result
  }

  private func isEmpty(_ node: Node) -> Bool {
    guard let scalar = node.scalar, scalar.style == .plain || scalar.style == .any else { return false }
    return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
  }

  private func origin(_ node: Node) -> SettingOrigin {
    .file(path: path, line: node.mark?.line ?? 1)
  }

  private mutating func note(_ origin: SettingOrigin, _ key: SettingKey, _ message: String) {
    problems.append(ConfigurationProblem(origin: origin, key: key.description, message: message))
  }
}
