import Glibc
import Tasks
import Testing

@testable import Providers

/// The status call against servers that behave, and that do not.
@Suite struct StatusCallTests {
  @Test func readsTheSeedAnswerByteForByte() async throws {
    let server = try ScriptedServer { request, _ in Fixture.reply(200, Fixture.running()) }
    let bench = try Bench(port: server.port)
    let status = try await bench.status().get()
    #expect(status.state == .running)
    #expect(status.progress == .episodes(completed: 12, total: 87))
    #expect(status.raw == Array(Fixture.running().utf8))
    let request = try #require(server.requests.first)
    #expect(request.method == "GET")
    #expect(request.target == "/serve/api/v2/screenplay/tasks/a")
    #expect(request.headers["authorization"] == secretText)
    #expect(request.headers["user-agent"] == "tollfs/0.1")
    #expect(request.headers["accept-encoding"] == "identity")
    await bench.shutdown()
  }

  @Test func anIdCanNotChangeThePath() async throws {
    let server = try ScriptedServer { _, _ in Fixture.reply(200, Fixture.running("x?y%2e#z ü")) }
    let bench = try Bench(port: server.port)
    _ = try await bench.status("x?y%2e#z ü").get()
    #expect(server.requests.first?.target == "/serve/api/v2/screenplay/tasks/x%3Fy%252e%23z%20%C3%BC")
    await bench.shutdown()
  }

  @Test func reusesOneConnection() async throws {
    let server = try ScriptedServer { _, _ in Fixture.reply(200, Fixture.running()) }
    let bench = try Bench(port: server.port)
    for _ in 0..<5 { _ = try await bench.status().get() }
    #expect(server.requests.count == 5)
    #expect(server.connectionsAccepted == 1)
    await bench.shutdown()
  }

  @Test func a429IsRepeatedFromOneSecondDoubling() async throws {
    let server = try ScriptedServer { _, _ in Fixture.reply(429, Fixture.refused(429, "Too many requests")) }
    let bench = try Bench(port: server.port, retries: 3)
    #expect(await bench.status().failure?.kind == .rateLimited)
    #expect(server.requests.count == 4)
    let sleeps = bench.clock.sleeps
    #expect(sleeps.count == 3)
    for (sleep, least) in zip(sleeps, [1, 2, 4]) {
      #expect(sleep >= .seconds(least) && sleep <= .seconds(least) * 1.25)
    }
    await bench.shutdown()
  }

  @Test func retryAfterIsHonouredWithinBounds() async throws {
    let polite = try ScriptedServer { _, number in
      number == 1
        ? Fixture.reply(429, "{}", headers: ["Retry-After: 7"]) : Fixture.reply(200, Fixture.running())
    }
    let bench = try Bench(port: polite.port)
    _ = try await bench.status().get()
    #expect(bench.clock.sleeps.count == 1 && bench.clock.sleeps.allSatisfy { $0 >= .seconds(7) })
    await bench.shutdown()

    let absurd = try ScriptedServer { _, _ in Fixture.reply(429, "{}", headers: ["Retry-After: 86400"]) }
    let other = try Bench(port: absurd.port)
    #expect(await other.status().failure?.kind == .rateLimited)
    #expect(absurd.requests.count == 1)
    #expect(other.clock.sleeps.isEmpty)
    await other.shutdown()
  }

  @Test func a5xxIsRepeatedAndAnErrorOfTheCallersIsNot() async throws {
    let broken = try ScriptedServer { _, number in
      number < 3 ? Fixture.reply(502, "<html>", type: "text/html") : Fixture.reply(200, Fixture.running())
    }
    let bench = try Bench(port: broken.port)
    _ = try await bench.status().get()
    #expect(broken.requests.count == 3)
    await bench.shutdown()

    let missing = try ScriptedServer { _, _ in Fixture.reply(400, Fixture.refused(400, "Task not found for id: a")) }
    let other = try Bench(port: missing.port)
    #expect(await other.status().failure?.kind == .noSuchTask)
    #expect(missing.requests.count == 1)
    await other.shutdown()
  }

  @Test func aRefusedConnectionIsUnreachableAndNamesTheHost() async throws {
    let port = try ScriptedServer.unusedPort()
    let bench = try Bench(port: port, retries: 2)
    let failure = try #require(await bench.status().failure)
    #expect(failure.kind == .unreachable)
    #expect(failure.reason.contains("127.0.0.1:\(port)"))
    #expect(failure.reason.contains("refused"))
    #expect(bench.clock.sleeps.count == 2)
    await bench.shutdown()
  }

  @Test func aNameThatDoesNotResolveIsNamed() async throws {
    // RFC 6761: `invalid` never resolves. Where the resolver itself is out of reach, that takes its time to be known.
    let network = NetworkSettings(retries: 0)
    let logs = LogCollector()
    let connections = HTTPConnections(network: network, logger: logs.logger)
    let source = ScreenplaySource(
      settings: SourceSettings(
        name: try Fixture.name("screenplay"), endpoint: try EndpointURL("http://tollfs.invalid:1", allowHTTP: true),
        price: .free, rateLimit: 0), key: FixedKey(try Fixture.key()), network: network, connections: connections,
      logger: logs.logger)
    let failure = await #expect(throws: SourceFailure.self) {
      _ = try await source.status(of: try Fixture.task("screenplay/a"))
    }
    #expect(failure?.kind == .unreachable || failure?.kind == .timedOut)
    #expect(failure?.reason.contains("tollfs.invalid") == true)
    await connections.shutdown()
  }

  @Test func silenceBeforeTheFirstByteIsATimeout() async throws {
    let server = try ScriptedServer { connection in
      _ = connection.readRequest()
      connection.waitForClose()
    }
    let bench = try Bench(port: server.port, retries: 1, read: .milliseconds(200))
    let failure = try #require(await bench.status().failure)
    #expect(failure.kind == .timedOut)
    #expect(failure.billing == .notBilled)
    #expect(server.requests.count == 2)
    await bench.shutdown()
  }

  @Test func aStallInTheBodyIsATimeout() async throws {
    let server = try ScriptedServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"code\":")
      connection.waitForClose()
    }
    let bench = try Bench(port: server.port, retries: 0, read: .milliseconds(200))
    #expect(await bench.status().failure?.kind == .timedOut)
    await bench.shutdown()
  }

  @Test func aTrickleIsEndedByTheDeadlineOfTheCall() async throws {
    let server = try ScriptedServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
      while connection.send(" ") { usleep(20_000) }
    }
    let bench = try Bench(port: server.port, retries: 0, connect: .milliseconds(100), read: .milliseconds(300))
    let failure = try #require(await bench.status().failure)
    #expect(failure.kind == .timedOut)
    await bench.shutdown()
  }

  @Test func aResetIsUnreachableAndRepeated() async throws {
    let server = try ScriptedServer { connection in
      _ = connection.readRequest()
      connection.resetOnClose()
    }
    let bench = try Bench(port: server.port, retries: 2)
    #expect(await bench.status().failure?.kind == .unreachable)
    #expect(server.requests.count == 3)
    await bench.shutdown()
  }

  @Test func aHugeAnswerIsGivenUp() async throws {
    let server = try ScriptedServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
      let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 0x20, count: 0x10000) + Array("\r\n".utf8)
      while connection.send(chunk) {}
    }
    let bench = try Bench(port: server.port, retries: 2)
    let failure = try #require(await bench.status().failure)
    #expect(failure.kind == .badAnswer)
    #expect(failure.reason.contains("4 MiB"))
    #expect(server.requests.count == 1)
    await bench.shutdown()
  }

  @Test func cancellationEndsACallAtOnceAndClosesItsConnection() async throws {
    let server = try ScriptedServer { connection in
      _ = connection.readRequest()
      connection.waitForClose()
    }
    let bench = try Bench(port: server.port)
    let call = Task { await bench.status() }
    try await eventually { !server.requests.isEmpty }
    call.cancel()
    #expect(await call.value.failure?.kind == .cancelled)
    try await eventually { server.openConnections == 0 }
    #expect(server.requests.count == 1)
    await bench.shutdown()
  }

  @Test func anotherKeyIsTriedOnceAfterA401() async throws {
    let server = try ScriptedServer { request, _ in
      request.headers["authorization"] == "new"
        ? Fixture.reply(200, Fixture.running()) : Fixture.reply(401, Fixture.refused(401, "Unauthorized"))
    }
    let rotating = RotatingKey(["old", "new"])
    let bench = try Bench(port: server.port, key: rotating)
    _ = try await bench.status().get()
    #expect(server.requests.map { $0.headers["authorization"] } == ["old", "new"])
    _ = try await bench.status().get()
    #expect(rotating.reads == 2)
    await bench.shutdown()

    let same = RotatingKey(["old"])
    let other = try Bench(port: server.port, key: same)
    #expect(await other.status().failure?.kind == .accessDenied)
    #expect(server.requests.count == 4)
    #expect(same.reads == 2)
    await other.shutdown()
  }

  @Test func shuttingDownEndsWhatIsInFlightAndWhatComesAfter() async throws {
    let server = try ScriptedServer { connection in
      _ = connection.readRequest()
      connection.waitForClose()
    }
    let bench = try Bench(port: server.port)
    let call = Task { await bench.status() }
    try await eventually { !server.requests.isEmpty }
    await bench.shutdown()
    await bench.shutdown()
    #expect(await call.value.failure != nil)
    let late = try #require(await bench.status().failure)
    #expect(late.kind == .unreachable)
    #expect(server.requests.count == 1)
  }

  @Test func aTaskOfAnotherSourceIsNotAsked() async throws {
    let bench = try Bench(port: 1)
    let failure = await #expect(throws: SourceFailure.self) {
      _ = try await bench.source.status(of: try Fixture.task("other/a"))
    }
    #expect(failure?.kind == .noSuchTask)
    await bench.shutdown()
  }
}
