import Tasks
import Testing

@testable import Providers

/// The key is nowhere but in the request.
@Suite struct RedactionTests {
  struct Holder {
    let key: APIKey
    let keys: [APIKey]
  }

  @Test func noPrintingOfAKeyShowsIt() throws {
    let key = try Fixture.key()
    let holder = Holder(key: key, keys: [key])
    var dumped = ""
    dump(key, to: &dumped)
    dump(holder, to: &dumped)
    dump(FixedKey(key), to: &dumped)
    let texts = [
      "\(key)", String(describing: key), String(reflecting: key), "\(holder)", String(reflecting: holder),
      "\(Optional(key) as Any)", "\(FixedKey(key))", "\(Mirror(reflecting: key).children.map { $0 })", dumped,
    ]
    for text in texts { #expect(!text.contains(secretText) && !text.contains("never-print"), "\(text)") }
    #expect("\(key)" == "<redacted>")
  }

  @Test func aServerThatEchoesTheKeyDoesNotSpreadIt() async throws {
    let server = try ScriptedServer { request, number in
      switch number {
      case 1: Fixture.reply(403, Fixture.refused(403, "Key \(secretText) is blocked"))
      case 2: Fixture.reply(302, "", headers: ["Location: http://\(secretText):9/"])
      default: Fixture.reply(500, Fixture.refused(500, String(repeating: "x", count: 290) + secretText))
      }
    }
    let bench = try Bench(port: server.port, retries: 1)
    for _ in 0..<3 {
      let failure = try #require(await bench.status().failure)
      #expect(!failure.reason.contains("never-print"), "\(failure.reason)")
    }
    #expect(bench.logs.lines.allSatisfy { !$0.line.contains("never-print") })
    await bench.shutdown()
  }

  @Test func noLogLineHoldsTheKeyAndNoneIsLoud() async throws {
    let server = try ScriptedServer { request, number in
      number == 1 ? Fixture.reply(503, "busy") : Fixture.reply(200, Fixture.running())
    }
    let bench = try Bench(port: server.port)
    _ = try await bench.status().get()
    let lines = bench.logs.lines
    #expect(lines.contains { $0.line.contains("request") })
    #expect(lines.allSatisfy { !$0.line.contains(secretText) && $0.level <= .debug })
    await bench.shutdown()
  }

  @Test func reasonsAreOneHarmlessLine() throws {
    let key = try Fixture.key()
    #expect(Reason.clean("a\nb\r\n\u{1b}[31mred\u{202e}x") == "a b [31mred x")
    #expect(Reason.clean("k=\(secretText)!", hiding: key) == "k=<redacted>!")
    #expect(Reason.clean(String(repeating: "y", count: 1000)).count == Reason.longest + 3)
    let atTheCut = String(repeating: "z", count: 290) + secretText
    #expect(!Reason.clean(atTheCut, hiding: key).contains("sk-"))
    #expect(Reason.clean("名字 ok") == "名字 ok")
  }
}
