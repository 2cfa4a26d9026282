/// Which keys there are.
enum ConfigurationSchema {
  enum Shape: Hashable, Sendable {
    case text, list
  }

  /// Keys at the top that are values themselves.
  static let topKeys: [String: Shape] = ["mountpoint": .text, "crawlers": .list]

  /// Sections with a fixed set of keys.
  static let sections: [String: [String: Shape]] = [
    "budget": [
      "total": .text, "monthly": .text, "daily": .text, "per_task": .text, "per_open": .text, "assume_unknown": .text,
    ],
    "cache": ["directory": .text, "max_size": .text, "min_free": .text],
    "state": ["directory": .text],
    "network": ["connect_timeout": .text, "read_timeout": .text, "retries": .text],
    "mount": ["status_ttl": .text, "name_charset": .text],
  ]

  /// What each source below `sources` may have.
  static let sourceKeys: [String: Shape] = [
    "kind": .text, "endpoint": .text, "allow_http": .text, "authorization": .text, "price_per_gb": .text,
    "fetch": .text,
    "rate_limit": .text, "tasks": .list, "api_key_env": .text, "api_key_file": .text, "api_key_command": .text,
  ]

  /// The three ways to say where a key is; a source has exactly one.
  static let keySourceKeys = ["api_key_env", "api_key_file", "api_key_command"]

  static let sourcesSection = "sources"

  static var topNames: [String] { Array(topKeys.keys) + Array(sections.keys) + [sourcesSection] }

  /// The shape of the setting under `key`, or nil when there is no such setting.
  static func shape(of key: SettingKey) -> Shape? {
    switch key.parts.count {
    case 1: topKeys[key.parts[0]]
    case 2: sections[key.parts[0]]?[key.parts[1]]
    case 3 where key.parts[0] == sourcesSection: sourceKeys[key.parts[2]]
    default: nil
    }
  }

  /// What to tell somebody who wrote `name` below `section` (nil: at the top), where there is no such key.
  static func unknownKey(_ name: String, in section: String?, known: [String]) -> String {
    if name == "<<" { return "merge keys are not supported; write the keys out" }
    if name == "api_key" || name == "key" || name == "token" {
      return
        "unknown key; a key does not belong in this file: name the variable (api_key_env), the file (api_key_file) "
        + "or the command (api_key_command) that holds it"
    }
    if let near = Spelling.nearest(to: name, among: known) { return "unknown key; did you mean `\(near)`?" }
    if let home = sectionHolding(name), home != section { return "unknown key here; it belongs below `\(home)`" }
    if section != nil, topNames.contains(name) { return "unknown key here; it belongs at the top, not indented" }
    return "unknown key; known here: \(known.sorted().joined(separator: ", "))"
  }

  private static func sectionHolding(_ name: String) -> String? {
    let holders = sections.filter { $0.value[name] != nil }.keys.sorted()
    if let only = holders.first, holders.count == 1 { return only }
    return sourceKeys[name] == nil ? nil : "sources: NAME"
  }
}

/// Finds the word that was probably meant.
enum Spelling {
  /// The candidate with the fewest mistyped letters, if they are few enough for the guess to be of use.
  static func nearest(to word: String, among candidates: some Collection<String>) -> String? {
    let ranked = candidates.sorted().map { (word: $0, distance: distance(word.lowercased(), $0.lowercased())) }
    guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
    // A third of the letters wrong is still a typing error; more is another word.
    return best.distance <= max(1, best.word.count / 3) ? best.word : nil
  }

  /// How many letters must be inserted, dropped, changed or swapped with their neighbour (optimal string alignment).
  static func distance(_ left: String, _ right: String) -> Int {
    let left = Array(left.prefix(100))
    let right = Array(right.prefix(100))
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for row in 0..<left.count {
      var current = [row + 1]
      for column in 0..<right.count {
        let change = last[column] + (left[row] == right[column] ? 0 : 1)
        var best = min(change, last[column + 1] + 1, current[column] + 1)
        if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
          best = min(best, beforeLast[column - 1] + 1)
        }
        current.append(best)
      }
      beforeLast = last
      last = current
    }
    return last[right.count]
  }
}
