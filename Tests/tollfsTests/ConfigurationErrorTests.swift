import Testing

@testable import tollfs

/// A wrong file, and what must be said about it.
struct WrongFile: Sendable, CustomTestStringConvertible {
  let text: String
  let line: Int
  let key: String
  let mention: String

  init(_ text: String, line: Int, key: String, _ mention: String) {
    self.text = text
    self.line = line
    self.key = key
    self.mention = mention
  }

  var testDescription: String { "\(key): \(mention)" }
}

private func source(_ line: String) -> String { "sources:\n  s:\n    kind: memories-screenplay\n    \(line)\n" }

@Suite struct ConfigurationErrorTests {
  static let wrongFiles = [
    WrongFile("budgt:\n  daily: 1\n", line: 1, key: "budgt", "did you mean `budget`?"),
    WrongFile("budget:\n  dayly: 1\n", line: 2, key: "budget.dayly", "did you mean `daily`?"),
    WrongFile("budget:\n  total: 1\n  perTask: 1\n", line: 3, key: "budget.perTask", "did you mean `per_task`?"),
    WrongFile("\ndaily: 1\n", line: 2, key: "daily", "belongs below `budget`"),
    WrongFile("price_per_gb: 1\n", line: 1, key: "price_per_gb", "belongs below `sources: NAME`"),
    WrongFile("cache:\n  budget:\n    daily: 1\n", line: 2, key: "cache.budget", "belongs at the top"),
    WrongFile("bananas: 1\n", line: 1, key: "bananas", "known here: budget, cache"),
    WrongFile("budget:\n", line: 1, key: "budget", "has no cap"),
    WrongFile("budget: {}\n", line: 1, key: "budget", "has no cap"),
    WrongFile("budget: ~\n", line: 1, key: "budget", "has no cap"),
    WrongFile("budget:\n  assume_unknown: 1 GB\n", line: 1, key: "budget", "has no cap"),
    WrongFile("budget: 5\n", line: 1, key: "budget", "must be a section"),
    WrongFile("budget: [1]\n", line: 1, key: "budget", "must be a section"),
    WrongFile("budget:\n  daily:\n", line: 2, key: "budget.daily", "has no value"),
    WrongFile("budget:\n  daily: -1\n", line: 2, key: "budget.daily", "is no amount"),
    WrongFile("budget:\n  daily: .inf\n", line: 2, key: "budget.daily", "is no amount"),
    WrongFile("budget:\n  daily: 1e3\n", line: 2, key: "budget.daily", "is no amount"),
    WrongFile("budget:\n  daily: 0.1234567\n", line: 2, key: "budget.daily", "six decimals"),
    WrongFile("budget:\n  daily: [1]\n", line: 2, key: "budget.daily", "must be a single value"),
    WrongFile("budget:\n  daily: 1\n  daily: 100\n", line: 2, key: "", "more than once"),
    WrongFile("budget:\n  daily: 1\nbudget:\n  daily: 9\n", line: 1, key: "", "more than once"),
    WrongFile("budget:\n  total: 1\n  assume_unknown: 0\n", line: 3, key: "budget.assume_unknown", "more than nothing"),
    WrongFile("cache:\n  max_size: 20 GX\n", line: 2, key: "cache.max_size", "is no size"),
    WrongFile("cache:\n  max_size: 0\n", line: 2, key: "cache.max_size", "more than nothing"),
    WrongFile("cache:\n  directory: ~other/x\n", line: 2, key: "cache.directory", "only your own ~"),
    WrongFile("network:\n  retries: many\n", line: 2, key: "network.retries", "whole number from 0 to 20"),
    WrongFile("network:\n  retries: 21\n", line: 2, key: "network.retries", "whole number from 0 to 20"),
    WrongFile("network:\n  read_timeout: 30\n", line: 2, key: "network.read_timeout", "a number and a unit"),
    WrongFile("network:\n  read_timeout: 0 s\n", line: 2, key: "network.read_timeout", "longer than nothing"),
    WrongFile("network:\n  read_timeout: 25 h\n", line: 2, key: "network.read_timeout", "longer than a day"),
    WrongFile("mount:\n  name_charset: klingon\n", line: 2, key: "mount.name_charset", "no charset known here"),
    WrongFile("mount:\n  name_charset: UTF-8//IGNORE\n", line: 2, key: "mount.name_charset", "no charset known here"),
    WrongFile("crawlers: updatedb\n", line: 1, key: "crawlers", "must be a list"),
    WrongFile("crawlers:\n  - updatedb\n  - [a]\n", line: 3, key: "crawlers", "single value"),
    WrongFile("sources:\n", line: 1, key: "sources", "is empty"),
    WrongFile("sources: {}\n", line: 1, key: "sources", "has no source"),
    WrongFile("sources:\n  s:\n    fetch: explicit\n", line: 2, key: "sources.s", "has no kind"),
    WrongFile("sources:\n  s:\n", line: 2, key: "sources.s", "has no kind"),
    WrongFile(
      "sources:\n  s:\n    kind: screenplay\n", line: 3, key: "sources.s.kind", "must be memories-screenplay or"),
    WrongFile("sources:\n  .s:\n    kind: pixxel\n", line: 2, key: "sources..s", "starts with a dot"),
    WrongFile("sources:\n  a/b:\n    kind: pixxel\n", line: 2, key: "sources.a/b", "contains a slash"),
    WrongFile("sources:\n  README.txt:\n    kind: pixxel\n", line: 2, key: "sources.README.txt", "taken"),
    WrongFile(source("endpoint: http://example.com"), line: 4, key: "sources.s.endpoint", "allow_http: true"),
    WrongFile(source("endpoint: http://127.evil.example"), line: 4, key: "sources.s.endpoint", "allow_http: true"),
    WrongFile(source("endpoint: ftp://example.com"), line: 4, key: "sources.s.endpoint", "https"),
    WrongFile(source("endpoint: example.com/v2"), line: 4, key: "sources.s.endpoint", "http"),
    WrongFile(source("endpoint: https://u:p@example.com"), line: 4, key: "sources.s.endpoint", "password"),
    WrongFile(source("endpoint: https://example.com?x=1"), line: 4, key: "sources.s.endpoint", "query"),
    WrongFile(source("allow_http: yes"), line: 4, key: "sources.s.allow_http", "true or false"),
    WrongFile(source("authorization: Bearer"), line: 4, key: "sources.s.authorization", "did you mean `bearer`?"),
    WrongFile(source("authorization: bearer"), line: 4, key: "sources.s.authorization", "takes the key alone"),
    WrongFile(source("fetch: on-access"), line: 4, key: "sources.s.fetch", "did you mean `on_access`?"),
    WrongFile(source("rate_limit: -1"), line: 4, key: "sources.s.rate_limit", "requests per second"),
    WrongFile(source("rate_limit: nan"), line: 4, key: "sources.s.rate_limit", "requests per second"),
    WrongFile(source("tasks: abc"), line: 4, key: "sources.s.tasks", "must be a list"),
    WrongFile(source("tasks: [a, b/c]"), line: 4, key: "sources.s.tasks", "contains a slash"),
    WrongFile(source("tasks: [.a]"), line: 4, key: "sources.s.tasks", "starts with a dot"),
    WrongFile(source("api_key: sk-1"), line: 4, key: "sources.s.api_key", "api_key_file"),
    WrongFile(source("api_key_env: sk-1"), line: 4, key: "sources.s.api_key_env", "not the name of"),
    WrongFile(source("api_key_env: A\n    api_key_file: b"), line: 5, key: "sources.s", "keep exactly one"),
    WrongFile(
      "sources:\n  p:\n    kind: pixxel\n    tasks: [a]\n", line: 4, key: "sources.p.tasks", "lists its tasks itself"),
    WrongFile("base: &b\n  daily: 1\nbudget:\n  <<: *b\n", line: 4, key: "budget.<<", "merge keys"),
    WrongFile("budget:\n\tdaily: 1\n", line: 2, key: "", "not valid YAML"),
    WrongFile("[a, b]\n", line: 1, key: "", "must be a section"),
    WrongFile("a: 1\n---\nb: 2\n", line: 2, key: "", "another document"),
    WrongFile("budget:\n  daily: *nothing\n", line: 2, key: "", "undefined alias"),
    WrongFile("\u{1}", line: 1, key: "", "can't be read as text"),
    WrongFile(String(repeating: "# filler\n", count: 200_000), line: 0, key: "", "larger than 1 MiB"),
    WrongFile(String(repeating: "[", count: 100_000), line: 1, key: "", "nesting"),
    WrongFile(String(repeating: "- ", count: 100_000), line: 1, key: "", "nesting"),
  ]

  @Test(arguments: wrongFiles)
  func aWrongFileIsRefusedWithItsLineAndKey(wrong: WrongFile) throws {
    do {
      _ = try configuration(wrong.text)
      Issue.record("was accepted")
    } catch let failure {
      let found = failure.problems.contains { problem in
        problem.origin == .file(path: "/etc/tollfs/config.yaml", line: wrong.line) && problem.key == wrong.key
          && (problem.message.contains(wrong.mention))
      }
      #expect(found, "\(wrong.text.prefix(60)) → \(failure)")
      #expect(!failure.description.contains("sk-1"))
    }
  }

  @Test func allProblemsAreToldAtOnce() throws {
    do {
      _ = try configuration("budget:\n  daily: x\n  total: y\ncache:\n  max_size: z\n")
      Issue.record("was accepted")
    } catch {
      #expect(error.problems.map(\.key) == ["budget.total", "budget.daily", "cache.max_size"])
    }
  }

  @Test func aliasesCanNotMultiplyWithoutBound() throws {
    var text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    for level in 1...12 {
      let aliases = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ",")
      text += "a\(level): &a\(level) [\(aliases)]\n"
    }
    text += "? *a12\n: 1\n"
    do {
      _ = try configuration(text)
      Issue.record("was accepted")
    } catch {
      #expect(error.description.contains("too many aliases"))
    }
  }

  @Test func anAnchorUsedOnceIsFine() throws {
    let read = try configuration("budget:\n  daily: &d 1.5\n  total: *d\n")
    #expect(read.budget?.total == read.budget?.daily)
  }
}
