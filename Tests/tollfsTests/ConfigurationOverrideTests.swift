import Tasks
import TestSupport
import Testing

@testable import tollfs

private let twoSources = """
  sources:
    screenplay:
      kind: memories-screenplay
      api_key_env: ONE
    my-films:
      kind: memories-screenplay
  """

@Suite struct ConfigurationOverrideTests {
  @Test func aVariableWinsOverTheFileAndAFlagOverBoth() throws {
    let file = "budget:\n  daily: 1\n"
    #expect(try configuration(file).budget?.daily == Dollars(microDollars: 1_000_000))
    let variables = ["TOLLFS_BUDGET_DAILY": "2"]
    #expect(try configuration(file, variables: variables).budget?.daily == Dollars(microDollars: 2_000_000))
    let flagged = try configuration(file, variables: variables, overrides: ["budget.daily=3"])
    #expect(flagged.budget?.daily == Dollars(microDollars: 3_000_000))
  }

  @Test func aVariableMayBeginABudget() throws {
    #expect(try configuration("", variables: ["TOLLFS_BUDGET_DAILY": "2"]).budget?.daily != nil)
    #expect(throws: ConfigurationFailure.self) {
      try configuration("", variables: ["TOLLFS_BUDGET_ASSUME_UNKNOWN": "1 GB"])
    }
  }

  @Test func everyKeyHasAVariable() throws {
    let variables = [
      "TOLLFS_MOUNTPOINT": "m", "TOLLFS_CRAWLERS": "a, b", "TOLLFS_CACHE_MAX_SIZE": " 3 GB ",
      "TOLLFS_NETWORK_RETRIES": "1", "TOLLFS_MOUNT_STATUS_TTL": "2 s",
      "TOLLFS_SOURCES_SCREENPLAY_PRICE_PER_GB": "0.5", "TOLLFS_SOURCES_MY_FILMS_TASKS": "x,y",
    ]
    let read = try configuration(twoSources, variables: variables)
    #expect(read.mountpoint == "/base/m")
    #expect(read.crawlers == ["a", "b"])
    #expect(read.cache.maximumSize == ByteCount(3_000_000_000))
    #expect(read.network.retries == 1)
    #expect(read.mount.statusLifetime == .seconds(2))
    #expect(read.sources[0].price == PricePerGigabyte(Dollars(microDollars: 500_000)))
    #expect(read.sources[1].tasks.map(\.description) == ["my-films/x", "my-films/y"])
  }

  @Test func aKeyPlaceGivenByAVariableReplacesTheFiles() throws {
    let read = try configuration(twoSources, variables: ["TOLLFS_SOURCES_SCREENPLAY_API_KEY_FILE": "/k"])
    #expect(read.sources[0].key == .file(path: "/k"))
  }

  @Test(arguments: [
    ("TOLLFS_BUGDET_DAILY", "1", "did you mean TOLLFS_BUDGET_DAILY?"),
    ("TOLLFS_BUDGET_DAILY", "", "has no value"),
    ("TOLLFS_BUDGET_DAILY", "lots", "is no amount"),
    ("TOLLFS_SOURCES_FILMS_AND_MORE_KIND", "pixxel", "it has screenplay, my-films"),
    ("TOLLFS_WHATEVER_THIS_IS", "1", "is no setting of tollfs"),
  ])
  func aWrongVariableIsNamed(name: String, value: String, mention: String) throws {
    do {
      _ = try configuration(twoSources, variables: [name: value])
      Issue.record("was accepted")
    } catch {
      #expect(error.problems.count == 1)
      #expect(error.problems.first?.origin == .environment(name: name))
      #expect(error.description.contains(mention), "\(error)")
    }
  }

  @Test func variablesOfTheBuildAndTheTestsAreNotSettings() throws {
    let others = [
      "TOLLFS_CONFIG": "x", "TOLLFS_STRICT": "1", "TOLLFS_CORPUS": "y", "TOLLFS_TEST_ANYTHING": "z", "TOLLFSX": "",
    ]
    _ = try configuration("", variables: others)
  }

  @Test func aVariableThatFitsTwoSourcesIsRefused() throws {
    let file = "sources:\n  a-b:\n    kind: pixxel\n  a_b:\n    kind: pixxel\n"
    do {
      _ = try configuration(file, variables: ["TOLLFS_SOURCES_A_B_RATE_LIMIT": "2"])
      Issue.record("was accepted")
    } catch {
      #expect(error.description.contains("sources.a-b.rate_limit, sources.a_b.rate_limit"))
    }
  }

  @Test(arguments: [
    ("budget.dayly=1", "did you mean `budget.daily`?"), ("budget.daily", "KEY=VALUE"),
    ("budget.daily=", "has no value"),
  ])
  func aWrongFlagIsNamed(flag: String, mention: String) throws {
    do {
      _ = try configuration("", overrides: [flag])
      Issue.record("was accepted")
    } catch {
      #expect(error.description.contains(mention), "\(error)")
    }
  }

  @Test func whichFileIsRead() {
    var here = Surroundings(variables: ["HOME": "/home/user"], workingDirectory: "/base")
    func found(_ flag: String? = nil) -> String? { ConfigurationLocation.find(flag: flag, surroundings: here)?.path }
    #expect(found() == "/home/user/.config/tollfs/config.yaml")
    here.variables["XDG_CONFIG_HOME"] = "/etc/xdg"
    #expect(found() == "/etc/xdg/tollfs/config.yaml")
    here.variables["TOLLFS_CONFIG"] = "mine.yaml"
    #expect(found() == "/base/mine.yaml")
    #expect(found("./other.yaml") == "/base/other.yaml")
    here.variables["TOLLFS_CONFIG"] = ""
    #expect(found() == "/etc/xdg/tollfs/config.yaml")
  }

  @Test func aNamedFileMustBeThereAndTheDefaultOneNeedNot() throws {
    let directory = try TemporaryDirectory("configuration")
    let here = Surroundings(variables: ["HOME": directory.path], workingDirectory: directory.path)
    #expect(try ConfigurationLoader(surroundings: here).load().file == nil)
    #expect(throws: ConfigurationFailure.self) {
      try ConfigurationLoader(file: "missing.yaml", surroundings: here).load()
    }
    #expect(throws: ConfigurationFailure.self) {
      try ConfigurationLoader(file: directory.path, surroundings: here).load()
    }
  }
}

@Suite struct SettingValueTests {
  @Test(arguments: [
    ("10 s", Duration.seconds(10)), ("500ms", .milliseconds(500)), ("1 min", .seconds(60)), ("1.5 h", .seconds(5400)),
    ("0.000001 s", .microseconds(1)), ("24 h", .seconds(86_400)), ("0 s", .zero),
  ])
  func durations(text: String, expected: Duration) throws {
    #expect(try SettingValues.duration(text) == expected)
  }

  @Test(arguments: ["", "10", "s", "-1 s", "1 year", "1 s 2 ms", "١ s", "1e3 s", "9999999999999999999 s"])
  func noDurations(text: String) {
    #expect(throws: UnreadableValue.self) { try SettingValues.duration(text) }
  }

  @Test(arguments: [
    ("/a//b/./c/", "/a/b/c"), ("~", "/home/user"), ("~/x", "/home/user/x"), ("x/../y", "/base/x/../y"), ("/", "/"),
  ])
  func paths(text: String, expected: String) throws {
    #expect(try PathResolver(home: "/home/user", base: "/base").absolute(text) == expected)
  }

  @Test(arguments: [
    ("budgt", "budget", 1), ("dayly", "daily", 1), ("ab", "ba", 1), ("", "abc", 3), ("same", "same", 0),
  ])
  func spellingDistance(left: String, right: String, expected: Int) {
    #expect(Spelling.distance(left, right) == expected)
  }
}
