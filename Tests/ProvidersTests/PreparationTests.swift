import Tasks
import Testing

@testable import Providers

/// Having a package made ready. Pauses are those of a clock that jumps.
@Suite struct PreparationTests {
  private func answer(_ status: String, url: String? = nil) -> String {
    let field = url.map { ",\"signed_url\":\"\($0)\"" } ?? ""
    return Fixture.reply(
      200, "{\"id\":\"t\",\"job_id\":\"j\",\"workflow_id\":\"w\",\"status\":\"\(status)\"\(field)}")
  }

  @Test func thePutIsRepeatedUntilThereIsAnAddress() async throws {
    let server = try ScriptedServer { _, number in
      number < 7
        ? answer("pending", url: number == 2 ? "" : nil) : answer("ready", url: "http://127.0.0.1:1/a?\(signature)")
    }
    let bench = try PixxelBench(port: server.port)
    _ = try await bench.package().get()
    #expect(server.requests.count == 7)
    #expect(
      bench.clock.sleeps == [.milliseconds(500), .seconds(1), .seconds(2), .seconds(4), .seconds(8), .seconds(8)])
    let request = try #require(server.requests.first)
    #expect(request.method == "PUT" && request.target == "/v0/workflows/w/jobs/j/tasks/t/download")
    #expect(request.headers["authorization"] == secretText)
    // Some gateways answer 411 without it.
    #expect(request.headers["content-length"] == "0")
    await bench.shutdown()
  }

  @Test func anAddressIsTheSignWhateverTheWord() async throws {
    for word in ["pending", "READY", "", "whatever", "failed"] {
      let server = try ScriptedServer { _, _ in answer(word, url: "http://127.0.0.1:1/a") }
      let bench = try PixxelBench(port: server.port)
      _ = try await bench.package().get()
      #expect(server.requests.count == 1)
      await bench.shutdown()
    }
  }

  @Test func theWaitIsBounded() async throws {
    let server = try ScriptedServer { _, _ in answer("pending") }
    let bench = try PixxelBench(port: server.port)
    let failure = try #require(await bench.package().failure)
    #expect(failure.kind == .timedOut && failure.reason.contains("pending"))
    let slept = bench.clock.sleeps.reduce(.zero, +)
    #expect(slept > .seconds(110) && slept <= .seconds(120))
    await bench.shutdown()
  }

  @Test(arguments: ["failed", "ERROR", "cancelled", "expired"]) func aFailedPreparationIsSaid(word: String) async throws
  {
    let server = try ScriptedServer { _, _ in answer(word) }
    let bench = try PixxelBench(port: server.port)
    let failure = try #require(await bench.package().failure)
    #expect(failure.kind == .badAnswer && failure.reason.contains(word))
    #expect(server.requests.count == 1)
    await bench.shutdown()
  }

  @Test func whatPassesIsOutlived() async throws {
    let server = try ScriptedServer { _, number in
      switch number {
      case 1: Fixture.reply(503, "")
      case 2: Fixture.reply(429, "", headers: ["Retry-After: 3"])
      case 3: answer("pending")
      case 4: Fixture.reply(500, "{}")
      default: answer("ready", url: "http://127.0.0.1:1/a")
      }
    }
    let bench = try PixxelBench(port: server.port)
    _ = try await bench.package().get()
    #expect(server.requests.count == 5)
    await bench.shutdown()
  }

  @Test func waitingCanBeCancelled() async throws {
    let server = try ScriptedServer { connection in
      _ = connection.readRequest()
      connection.waitForClose()
    }
    let bench = try PixxelBench(port: server.port)
    let waiter = Task { await bench.package() }
    try await eventually { server.openConnections == 1 }
    waiter.cancel()
    #expect(await waiter.value.failure?.kind == .cancelled)
    try await eventually { server.openConnections == 0 }
    await bench.shutdown()
  }

  @Test(arguments: ["ftp://h/a", "http://example.invalid/a", "nonsense", "https://user:pw@h/a"])
  func anAddressThatCanNotBeUsedIsRefused(url: String) async throws {
    let server = try ScriptedServer { _, _ in answer("ready", url: "\(url)?\(signature)") }
    let bench = try PixxelBench(port: server.port)
    let failure = try #require(await bench.package().failure)
    #expect(failure.kind == .badAnswer && !failure.reason.contains(signature), "\(failure.reason)")
    #expect(bench.logs.lines.allSatisfy { !$0.line.contains(signature) })
    await bench.shutdown()
  }

  @Test(arguments: [
    (404, "completed", SourceFailure.Kind.noResults), (404, "running", .notCompleted), (400, "running", .notCompleted),
    (400, "completed", .badAnswer), (403, "running", .accessDenied), (403, "completed", .accessDenied),
    (409, "running", .notCompleted), (409, "completed", .badAnswer), (402, "completed", .insufficientBalance),
  ]) func aRefusedPutIsExplainedByTheTask(status: Int, state: String, kind: SourceFailure.Kind) async throws {
    let server = try ScriptedServer { request, _ in
      request.method == "PUT"
        ? Fixture.reply(status, PixxelListTests.envelope("x", "because"))
        : Fixture.reply(200, "{\"id\":\"j\",\"tasks\":[{\"id\":\"t\",\"status\":\"\(state)\"}]}")
    }
    let bench = try PixxelBench(port: server.port)
    let failure = try #require(await bench.package().failure)
    #expect(failure.kind == kind && failure.reason.contains("because"), "\(failure.kind) \(failure.reason)")
    await bench.shutdown()
  }
}
