import Tasks
import Testing

@testable import Providers

/// Redirects over real sockets: who sees the key.
@Suite struct RedirectTests {
  private func redirecting(to location: String) throws -> ScriptedServer {
    try ScriptedServer { _, _ in Fixture.reply(302, "", headers: ["Location: \(location)"]) }
  }

  @Test func aCallFollowsAtItsOwnServerWithTheKey() async throws {
    let server = try ScriptedServer { request, _ in
      request.target == "/there"
        ? Fixture.reply(200, Fixture.running()) : Fixture.reply(307, "", headers: ["Location: /there"])
    }
    let bench = try Bench(port: server.port)
    #expect(try await bench.status().get().state == .running)
    #expect(server.requests.map { $0.headers["authorization"] } == [secretText, secretText])
    await bench.shutdown()
  }

  @Test func aCallIsNotLedToAnotherServer() async throws {
    let other = try ScriptedServer { _, _ in Fixture.reply(200, Fixture.running()) }
    let server = try redirecting(to: "http://127.0.0.1:\(other.port)/there")
    let bench = try Bench(port: server.port)
    let failure = try #require(await bench.status().failure)
    #expect(failure.kind == .badAnswer)
    #expect(failure.reason.contains("127.0.0.1:\(other.port)"))
    #expect(other.requests.isEmpty)
    #expect(server.requests.count == 1)
    await bench.shutdown()
  }

  @Test func aDownloadIsLedToAnotherServerWithoutTheKey() async throws {
    let body = Fixture.archive(1000)
    let other = try ScriptedServer { connection in
      _ = connection.readRequest()
      connection.send(Fixture.archiveHead("Content-Length: 1000"))
      connection.send(body)
    }
    let server = try redirecting(to: "http://127.0.0.1:\(other.port)/o?signature=1")
    let bench = try Bench(port: server.port)
    #expect(await drain(try await bench.download().get()).bytes == body)
    let request = try #require(other.requests.first)
    #expect(request.headers["authorization"] == nil)
    #expect(!request.headers.values.contains { $0.contains(secretText) })
    #expect(bench.logs.lines.allSatisfy { !$0.line.contains("signature") })
    await bench.shutdown()
  }

  @Test func nothingIsRepeatedAfterARedirect() async throws {
    let port = try ScriptedServer.unusedPort()
    let server = try redirecting(to: "http://127.0.0.1:\(port)/o")
    let bench = try Bench(port: server.port)
    let failure = try #require(await bench.download().failure)
    #expect(failure.kind == .unreachable)
    #expect(failure.billing == .unknown)
    #expect(server.requests.count == 1)
    await bench.shutdown()
  }

  @Test(arguments: [403, 404, 429, 503]) func aRefusalElsewhereIsNotTheAPIs(status: Int) async throws {
    let other = try ScriptedServer { _, _ in
      Fixture.reply(status, Fixture.refused(status, "Task not found for id: a"))
    }
    let server = try redirecting(to: "http://127.0.0.1:\(other.port)/o")
    let bench = try Bench(port: server.port)
    let failure = try #require(await bench.download().failure)
    #expect(failure.kind == .badAnswer)
    #expect(failure.billing == .unknown)
    #expect(server.requests.count == 1 && other.requests.count == 1)
    await bench.shutdown()
  }

  @Test func aRedirectThatIsNotFollowedMayHaveBeenBilled() async throws {
    let server = try redirecting(to: "http://example.invalid/o")
    let bench = try Bench(port: server.port)
    let failure = try #require(await bench.download().failure)
    #expect(failure.kind == .badAnswer && failure.billing == .unknown)
    #expect(server.requests.count == 1)
    await bench.shutdown()
  }

  @Test func aCircleEnds() async throws {
    let server = try redirecting(to: "/again")
    let bench = try Bench(port: server.port)
    #expect(await bench.status().failure?.kind == .badAnswer)
    #expect(server.requests.count == RedirectRule.limit + 1)
    await bench.shutdown()
  }
}
