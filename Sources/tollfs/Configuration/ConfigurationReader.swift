import Budget
import Providers
import Tasks

/// Turns settings into a ``Configuration``, with every default filled in and every problem collected.
struct ConfigurationReader {
  private let settings: [SettingKey: RawSetting]
  private let sections: [SettingKey: SettingOrigin]
  private let sourceNames: [String]
  private let file: String?
  private let surroundings: Surroundings
  private var effective: [EffectiveSetting] = []
  private var problems: [ConfigurationProblem] = []

  /// - Parameters:
  ///   - file: the path and content of the configuration file, or nil without one.
  ///   - overrides: `KEY=VALUE` of each `--set`.
  static func configuration(
    file: (path: String, text: String)?, overrides: [String] = [], surroundings: Surroundings
  ) throws(ConfigurationFailure) -> Configuration {
    var layer = SettingLayer()
    if let file { layer = try ConfigurationFile.layer(path: file.path, text: file.text) }
    let names = layer.sourceNames
    layer = layer.overlaid(by: try ConfigurationOverrides.environment(surroundings.variables, sourceNames: names))
    layer = layer.overlaid(by: try ConfigurationOverrides.flags(overrides, sourceNames: names))
    var reader = ConfigurationReader(layer: layer, file: file?.path, surroundings: surroundings)
    let configuration = reader.read()
    guard reader.problems.isEmpty else { throw ConfigurationFailure(reader.problems) }
    return configuration
  }

  private init(layer: SettingLayer, file: String?, surroundings: Surroundings) {
    settings = layer.settings
    sections = layer.sections
    sourceNames = layer.sourceNames
    self.file = file
    self.surroundings = surroundings
  }

  private mutating func read() -> Configuration {
    let mountpoint = path(SettingKey("mountpoint"), default: nil)
    let sources = readSources()
    let budget = readBudget()
    let cache = readCache()
    let state = SettingKey("state", "directory")
    let stateDirectory = path(state, default: directory("XDG_STATE_HOME", ".local/state", for: state)) ?? "/"
    let network = readNetwork()
    let mount = readMount()
    let crawlers = list(SettingKey("crawlers"), default: Crawlers.standard).map { Crawlers.command($0.text) }
    return Configuration(
      file: file, mountpoint: mountpoint, sources: sources, budget: budget, cache: cache,
      stateDirectory: stateDirectory,
      network: network, mount: mount, crawlers: crawlers, settings: effective)
  }

  // MARK: Sections

  private mutating func readBudget() -> BudgetCaps? {
    guard let origin = sections[SettingKey("budget")] else {
      effective.append(EffectiveSetting(key: "budget", text: nil, origin: .builtIn))
      return nil
    }
    func cap(_ name: String, _ reader: inout ConfigurationReader) -> Dollars? {
      reader.optional(SettingKey("budget", name), SettingValues.dollars)
    }
    let budget = BudgetCaps(
      total: cap("total", &self), monthly: cap("monthly", &self), daily: cap("daily", &self),
      perTask: cap("per_task", &self), perOpen: cap("per_open", &self),
      assumeUnknown: value(SettingKey("budget", "assume_unknown"), default: "1 GB", SettingValues.positiveBytes))
    let caps = BudgetCap.allCases.map(\.rawValue)
    // An unreadable cap has been noted already.
    if caps.allSatisfy({ settings[SettingKey("budget", $0)] == nil }) {
      note(
        origin, SettingKey("budget"),
        "has no cap in it, which would limit nothing; set at least one of \(caps.joined(separator: ", ")), "
          + "or drop the section, and nothing billed is ever opened")
    }
    return budget
  }

  private mutating func readCache() -> CacheConfiguration {
    let key = SettingKey("cache", "directory")
    return CacheConfiguration(
      directory: path(key, default: directory("XDG_CACHE_HOME", ".cache", for: key)) ?? "/",
      maximumSize: value(SettingKey("cache", "max_size"), default: "20 GB", SettingValues.positiveBytes),
      minimumFree: value(SettingKey("cache", "min_free"), default: "2 GB", SettingValues.bytes))
  }

  private mutating func readNetwork() -> NetworkSettings {
    NetworkSettings(
      connectTimeout: value(SettingKey("network", "connect_timeout"), default: "10 s", SettingValues.positiveDuration),
      readTimeout: value(SettingKey("network", "read_timeout"), default: "30 s", SettingValues.positiveDuration),
      // With the backoff's 32 s between two tries, 20 repeats already take ten minutes.
      retries: value(SettingKey("network", "retries"), default: "4", SettingValues.integer(0...20)))
  }

  private mutating func readMount() -> MountConfiguration {
    MountConfiguration(
      statusLifetime: value(SettingKey("mount", "status_ttl"), default: "1 s", SettingValues.duration),
      nameCharset: value(SettingKey("mount", "name_charset"), default: "auto", SettingValues.charset))
  }

  // MARK: Sources

  private mutating func readSources() -> [SourceConfiguration] {
    if sourceNames.isEmpty, let origin = sections[SettingKey(ConfigurationSchema.sourcesSection)] {
      note(origin, SettingKey(ConfigurationSchema.sourcesSection), "has no source in it")
    }
    return sourceNames.compactMap { readSource($0) }
  }

  private mutating func readSource(_ text: String) -> SourceConfiguration? {
    let section = SettingKey(ConfigurationSchema.sourcesSection, text)
    let origin = sections[section] ?? .builtIn
    // The name of a file of the mount's own top directory (INTERFACE: "The tree").
    let refusal = text == "README.txt" ? "is taken by the mount's own file" : PathComponentRule.refusal(of: text)
    guard refusal == nil, let name = SourceName(text) else {
      note(origin, section, "can't be a directory's name: it \(refusal ?? "is not usable")")
      return nil
    }
    func key(_ part: String) -> SettingKey { SettingKey(ConfigurationSchema.sourcesSection, text, part) }
    guard settings[key("kind")] != nil else {
      let kinds = SourceConfiguration.Kind.allCases.map(\.rawValue).joined(separator: " or ")
      note(origin, section, "has no kind; add `kind: \(kinds)`")
      return nil
    }
    let kind = value(key("kind"), SettingValues.choice(SourceConfiguration.Kind.self)) ?? .screenplay
    let allowsHTTP = value(key("allow_http"), default: "false", SettingValues.flag)
    return SourceConfiguration(
      name: name, kind: kind,
      endpoint: value(
        key("endpoint"), default: kind.standardEndpoint, SettingValues.endpoint(allowingHTTP: allowsHTTP)),
      key: readKeySource(section, kind: kind),
      authorization: readAuthorization(key("authorization"), kind: kind),
      price: PricePerGigabyte(value(key("price_per_gb"), default: kind.standardPrice, SettingValues.dollars)),
      fetch: value(key("fetch"), default: "on_access", SettingValues.choice(SourceConfiguration.FetchPolicy.self)),
      requestsPerSecond: value(key("rate_limit"), default: kind.standardRate, SettingValues.rate),
      tasks: readTasks(key("tasks"), source: name, kind: kind))
  }

  /// Screenplay takes the key alone (APIS.md: documented, no `Bearer`), so asking for anything else there is a mistake.
  private mutating func readAuthorization(_ key: SettingKey, kind: SourceConfiguration.Kind)
    -> KeyAuthorization
  {
    let authorization = value(key, default: "raw", SettingValues.choice(KeyAuthorization.self))
    if kind == .screenplay, authorization != .raw, let raw = settings[key] {
      note(raw.origin, key, "a \(kind.rawValue) source takes the key alone; write raw, or drop this key")
    }
    return authorization
  }

  private mutating func readTasks(_ key: SettingKey, source: SourceName, kind: SourceConfiguration.Kind) -> [TaskPath] {
    if kind == .pixxel {
      if let raw = settings[key] { note(raw.origin, key, "a pixxel source lists its tasks itself; drop this key") }
      return []
    }
    var tasks: [TaskPath] = []
    for item in list(key, default: []) {
      if let refusal = PathComponentRule.refusal(of: item.text) {
        note(item.origin, key, "the task `\(item.text)` can't be a directory's name: it \(refusal)")
      } else if let task = TaskPath(source: source, ids: [item.text]), !tasks.contains(task) {
        tasks.append(task)
      }
    }
    return tasks
  }

  private mutating func readKeySource(_ section: SettingKey, kind: SourceConfiguration.Kind) -> KeySource {
    func key(_ name: String) -> SettingKey { SettingKey(section.parts + [name]) }
    let given = ConfigurationSchema.keySourceKeys.filter { settings[key($0)] != nil }
    guard given.count <= 1 else {
      let origin = given.last.flatMap { settings[key($0)]?.origin } ?? .builtIn
      note(origin, section, "has \(given.joined(separator: " and ")); keep exactly one")
      return .environment(variable: kind.standardKeyVariable)
    }
    switch given.first {
    case "api_key_file": return .file(path: path(key("api_key_file"), default: nil) ?? "/")
    case "api_key_command":
      let raw = settings[key("api_key_command")]
      // The command may hold a secret: it is neither shown nor repeated.
      effective.append(
        EffectiveSetting(key: key("api_key_command").description, text: "(not shown)", origin: raw?.origin ?? .builtIn))
      guard case .text(let command)? = raw?.content else { return .command("") }
      return .command(command)
    default:
      return .environment(
        variable: value(key("api_key_env"), default: kind.standardKeyVariable, SettingValues.variableName))
    }
  }

  // MARK: Values

  private typealias Parse<Value> = (String) throws(UnreadableValue) -> Value

  /// The setting, or its default where it is not set or not readable; an unreadable one is noted.
  private mutating func value<Value>(_ key: SettingKey, default standard: String, _ parse: Parse<Value>) -> Value {
    if let value = optional(key, parse, showUnset: false) { return value }
    do throws(UnreadableValue) {
      let value = try parse(standard)
      if settings[key] == nil {
        effective.append(EffectiveSetting(key: key.description, text: standard, origin: .builtIn))
      }
      return value
    } catch {
      preconditionFailure("the default of \(key) is not readable: \(error.message)")
    }
  }

  private mutating func value<Value>(_ key: SettingKey, _ parse: Parse<Value>) -> Value? {
    optional(key, parse)
  }

  private mutating func optional<Value>(_ key: SettingKey, _ parse: Parse<Value>, showUnset: Bool = true) -> Value? {
    guard let raw = settings[key], case .text(let text) = raw.content else {
      if showUnset { effective.append(EffectiveSetting(key: key.description, text: nil, origin: .builtIn)) }
      return nil
    }
    do throws(UnreadableValue) {
      let value = try parse(text)
      effective.append(EffectiveSetting(key: key.description, text: text, origin: raw.origin))
      return value
    } catch {
      note(raw.origin, key, error.message)
      return nil
    }
  }

  private mutating func list(_ key: SettingKey, default standard: [String]) -> [RawItem] {
    var items = standard.map { RawItem(text: $0, origin: .builtIn) }
    var origin = SettingOrigin.builtIn
    if let raw = settings[key], case .list(let given) = raw.content {
      items = given
      origin = raw.origin
    }
    effective.append(
      EffectiveSetting(key: key.description, text: items.map(\.text).joined(separator: ", "), origin: origin))
    return items
  }

  /// An absolute path: relative ones are relative to the file that holds them, or to the working directory when they come
  /// from a variable or a flag.
  private mutating func path(_ key: SettingKey, default standard: String?) -> String? {
    guard let raw = settings[key], case .text(let text) = raw.content else {
      effective.append(EffectiveSetting(key: key.description, text: standard, origin: .builtIn))
      return standard
    }
    var base = surroundings.workingDirectory
    if case .file(let file, _) = raw.origin {
      base = "/" + file.split(separator: "/").dropLast().joined(separator: "/")
    }
    do throws(UnreadableValue) {
      let absolute = try PathResolver(home: surroundings.home, base: base).absolute(text)
      effective.append(EffectiveSetting(key: key.description, text: absolute, origin: raw.origin))
      return absolute
    } catch {
      note(raw.origin, key, error.message)
      return nil
    }
  }

  private mutating func directory(_ variable: String, _ fallback: String, for key: SettingKey) -> String? {
    if let base = surroundings.baseDirectory(variable, orBelowHome: fallback) { return base + "/tollfs" }
    if settings[key] == nil { note(.builtIn, key, "neither \(variable) nor HOME is set; set \(key)") }
    return nil
  }

  private mutating func note(_ origin: SettingOrigin, _ key: SettingKey, _ message: String) {
    problems.append(ConfigurationProblem(origin: origin, key: key.description, message: message))
  }
}

extension SourceConfiguration.Kind {
  /// APIS.md: the base addresses of the two APIs.
  var standardEndpoint: String {
    switch self {
    case .screenplay: EndpointURL.screenplayDefault
    case .pixxel: "https://api.pixxel.space"
    }
  }

  var standardKeyVariable: String {
    switch self {
    case .screenplay: "MEMORIES_API_KEY"
    case .pixxel: "PIXXEL_API_KEY"
    }
  }

  /// Dollars per 10^9 bytes.
  var standardPrice: String {
    switch self {
    case .screenplay: "0.12"
    case .pixxel: "0"
    }
  }

  /// Requests per second. Screenplay's pages give 1 for standard APIs; Pixxel's give none.
  var standardRate: String {
    switch self {
    case .screenplay: "1"
    case .pixxel: "5"
    }
  }
}
