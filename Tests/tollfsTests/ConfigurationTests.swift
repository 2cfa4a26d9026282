import Archives
import Budget
import Providers
import Tasks
import Testing

@testable import tollfs

let surroundings = Surroundings(variables: ["HOME": "/home/user"], workingDirectory: "/base")

/// Reads `text` as the file /etc/tollfs/config.yaml.
func configuration(
  _ text: String, variables: [String: String] = [:], overrides: [String] = []
) throws(ConfigurationFailure) -> Configuration {
  var surroundings = surroundings
  surroundings.variables.merge(variables) { _, new in new }
  return try ConfigurationReader.configuration(
    file: ("/etc/tollfs/config.yaml", text), overrides: overrides, surroundings: surroundings)
}

let completeFile = """
  mountpoint: ~/tasks
  sources:
    screenplay:
      kind: memories-screenplay
      endpoint: http://127.0.0.1:8080/v2/
      api_key_file: keys/memories
      price_per_gb: 0.25
      fetch: explicit
      rate_limit: 0.5
      authorization: raw
      tasks: [ros-sd-20260313-a3f8c2b1, second, second]
    pixxel:
      kind: pixxel
      authorization: bearer
  budget:
    total: 20.00
    monthly: 10
    daily: $1.50
    per_task: 0.50
    per_open: 0.000001
    assume_unknown: 3 GB
  cache:
    directory: /var/cache/films
    max_size: 5 GiB
    min_free: 0
  state:
    directory: state
  network:
    connect_timeout: 500 ms
    read_timeout: 1.5 min
    retries: 0
  mount:
    status_ttl: 0 s
    name_charset: GB18030
  crawlers: [updatedb, baloo_file_extractor]
  """

@Suite struct ConfigurationTests {
  @Test func everyKeyIsRead() throws {
    let read = try configuration(completeFile)
    #expect(read.file == "/etc/tollfs/config.yaml")
    #expect(read.mountpoint == "/home/user/tasks")
    let screenplay = try #require(read.sources.first)
    #expect(screenplay.name.text == "screenplay")
    #expect(screenplay.kind == .screenplay)
    #expect(screenplay.endpoint.description == "http://127.0.0.1:8080/v2")
    #expect(screenplay.key == .file(path: "/etc/tollfs/keys/memories"))
    #expect(screenplay.price == PricePerGigabyte(Dollars(microDollars: 250_000)))
    #expect(screenplay.fetch == .explicit)
    #expect(screenplay.requestsPerSecond == 0.5)
    #expect(screenplay.authorization == .raw)
    #expect(read.sources.last?.authorization == .bearer)
    #expect(screenplay.tasks.map(\.description) == ["screenplay/ros-sd-20260313-a3f8c2b1", "screenplay/second"])
    let budget = try #require(read.budget)
    #expect(budget.total == Dollars(microDollars: 20_000_000))
    #expect(budget.monthly == Dollars(microDollars: 10_000_000))
    #expect(budget.daily == Dollars(microDollars: 1_500_000))
    #expect(budget.perTask == Dollars(microDollars: 500_000))
    #expect(budget.perOpen == Dollars(microDollars: 1))
    #expect(budget.assumeUnknown == ByteCount(3_000_000_000))
    #expect(
      read.cache
        == CacheConfiguration(directory: "/var/cache/films", maximumSize: ByteCount(5 << 30), minimumFree: .zero))
    #expect(read.stateDirectory == "/etc/tollfs/state")
    #expect(read.network.connectTimeout == .milliseconds(500))
    #expect(read.network.readTimeout == .seconds(90))
    #expect(read.network.retries == 0)
    #expect(read.mount == MountConfiguration(statusLifetime: .zero, nameCharset: try #require(NameCharset("GB18030"))))
    #expect(read.crawlers == ["updatedb", "baloo_file_extr"])
  }

  @Test func whatIsNotGivenHasItsDefault() throws {
    let read = try configuration("sources:\n  s:\n    kind: memories-screenplay\n  p:\n    kind: pixxel\n")
    #expect(read.mountpoint == nil)
    #expect(read.budget == nil)
    #expect(read.sources[0].endpoint.description == "https://mavi-backend.memories.ai/serve/api/v2")
    #expect(read.sources[0].key == .environment(variable: "MEMORIES_API_KEY"))
    #expect(read.sources[0].price == PricePerGigabyte(Dollars(microDollars: 120_000)))
    #expect(read.sources[0].fetch == .onAccess)
    #expect(read.sources[0].requestsPerSecond == 1)
    #expect(read.sources[0].authorization == .raw)
    #expect(read.sources[1].endpoint.description == "https://api.pixxel.space")
    #expect(read.sources[1].key == .environment(variable: "PIXXEL_API_KEY"))
    #expect(read.sources[1].price.isFree)
    #expect(read.sources[1].requestsPerSecond == 5)
    #expect(read.cache.directory == "/home/user/.cache/tollfs")
    #expect(read.cache.maximumSize == ByteCount(20_000_000_000))
    #expect(read.cache.minimumFree == ByteCount(2_000_000_000))
    #expect(read.stateDirectory == "/home/user/.local/state/tollfs")
    #expect(read.network == NetworkSettings(connectTimeout: .seconds(10), readTimeout: .seconds(30), retries: 4))
    #expect(read.mount == MountConfiguration(statusLifetime: .seconds(1), nameCharset: .automatic))
    #expect(read.crawlers.contains("tracker-miner-f"))
    #expect(read.crawlers.allSatisfy { $0.utf8.count <= 15 })
  }

  @Test(arguments: ["", "# nothing\n", "~\n", "---\n"])
  func anEmptyFileIsAllDefaults(text: String) throws {
    let read = try configuration(text)
    #expect(read.sources.isEmpty)
    #expect(read.budget == nil)
  }

  @Test func baseDirectoriesFollowTheirVariablesUnlessRelative() throws {
    let absolute = try configuration("", variables: ["XDG_CACHE_HOME": "/c", "XDG_STATE_HOME": "/s/"])
    #expect(absolute.cache.directory == "/c/tollfs")
    #expect(absolute.stateDirectory == "/s/tollfs")
    let relative = try configuration("", variables: ["XDG_CACHE_HOME": "c"])
    #expect(relative.cache.directory == "/home/user/.cache/tollfs")
  }

  @Test func withoutHomeTheDirectoriesMustBeGiven() throws {
    let nowhere = Surroundings(variables: [:], workingDirectory: "/")
    #expect(throws: ConfigurationFailure.self) {
      try ConfigurationReader.configuration(file: nil, surroundings: nowhere)
    }
    let text = "cache:\n  directory: /c\nstate:\n  directory: /s\n"
    let read = try ConfigurationReader.configuration(file: ("/f", text), surroundings: nowhere)
    #expect(read.cache.directory == "/c")
  }

  @Test func everyValueRemembersWhereItCameFrom() throws {
    let read = try configuration(
      "budget:\n  daily: 1\n  total: 5\n", variables: ["TOLLFS_BUDGET_DAILY": "2"], overrides: ["budget.per_open=0.1"])
    let origins = Dictionary(uniqueKeysWithValues: read.settings.map { ($0.key, $0) })
    #expect(origins["budget.total"]?.origin == .file(path: "/etc/tollfs/config.yaml", line: 3))
    #expect(origins["budget.daily"]?.origin.description == "environment TOLLFS_BUDGET_DAILY")
    #expect(origins["budget.daily"]?.text == "2")
    #expect(origins["budget.per_open"]?.origin.description == "flag --set budget.per_open")
    #expect(origins["budget.monthly"]?.text == nil)
    #expect(origins["cache.max_size"]?.origin.description == "default")
    #expect(origins["cache.max_size"]?.text == "20 GB")
  }

  @Test func everySettingIsShownOnce() throws {
    let read = try configuration(completeFile)
    let keys = read.settings.map(\.key)
    #expect(Set(keys).count == keys.count)
    for section in ConfigurationSchema.sections {
      for key in section.value.keys { #expect(keys.contains("\(section.key).\(key)")) }
    }
    #expect(keys.contains("mountpoint"))
    #expect(keys.contains("sources.screenplay.tasks"))
  }

  @Test func aKeyCommandIsNeverShown() throws {
    let read = try configuration("sources:\n  s:\n    kind: memories-screenplay\n    api_key_command: echo sk-secret\n")
    #expect(read.sources[0].key == .command("echo sk-secret"))
    #expect(!read.settings.contains { $0.text?.contains("sk-secret") == true })
    #expect(!read.sources[0].key.description.contains("sk-secret"))
  }
}
