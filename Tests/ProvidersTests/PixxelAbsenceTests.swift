import Tasks
import Testing

@testable import Providers

/// What an unknown id gets is not documented: only what the API confirms is called missing.
@Suite struct PixxelAbsenceTests {
  /// A world with workflow w, job j and task t, in which everything else gets the same refusal.
  private func api(_ status: Int, _ body: String, listsFail: Bool = false) throws -> ScriptedServer {
    try ScriptedServer { request, _ in
      switch request.target.prefix(while: { $0 != "?" }) {
      case "/v0/workflows":
        listsFail ? Fixture.reply(500, "") : Fixture.reply(200, #"{"workflows":[{"id":"w"}],"pagination":{"total":1}}"#)
      case "/v0/workflows/w/jobs": listsFail ? Fixture.reply(500, "") : Fixture.reply(200, #"{"jobs":[{"id":"j"}]}"#)
      case "/v0/workflows/w/jobs/j": Fixture.reply(200, #"{"id":"j","tasks":[{"id":"t","status":"completed"}]}"#)
      default: Fixture.reply(status, body)
      }
    }
  }

  private static let refusals: [(Int, String)] = [
    (400, PixxelListTests.envelope("invalid_argument", "bad id")), (403, PixxelListTests.envelope("forbidden", "no")),
    (404, PixxelListTests.envelope("not_found", "no such thing")), (404, "<html>nginx</html>"), (403, "<html>"),
    (410, PixxelListTests.envelope("gone", "was deleted")), (422, PixxelListTests.envelope("invalid", "bad id")),
    (200, PixxelListTests.envelope("404", "not found")), (200, PixxelListTests.envelope("403", "no")),
  ]

  @Test(arguments: refusals) func anIdThatItsListDoesNotHaveIsMissing(status: Int, body: String) async throws {
    let server = try api(status, body)
    let bench = try PixxelBench(port: server.port)
    #expect(await bench.children("x").failure?.kind == .noSuchTask)
    #expect(await bench.children("w", "x").failure?.kind == .noSuchTask)
    #expect(await bench.children("x", "y").failure?.kind == .noSuchTask)
    #expect(await bench.status("x/y/z").failure?.kind == .noSuchTask)
    #expect(await bench.status("w/j/x").failure?.kind == .noSuchTask)
    #expect(await bench.package("w/j/x").failure?.kind == .noSuchTask)
    #expect(await bench.package("x/y/z").failure?.kind == .noSuchTask)
    await bench.shutdown()
  }

  @Test(arguments: [
    (400, PixxelListTests.envelope("invalid_argument", "bad id"), SourceFailure.Kind.badAnswer),
    (403, PixxelListTests.envelope("forbidden", "no"), .accessDenied), (404, "<html>nginx</html>", .badAnswer),
    (401, PixxelListTests.envelope("unauthenticated", "who"), .accessDenied), (403, "", .accessDenied),
  ]) func whatItsListHasOrCanNotTellIsNotMissing(
    status: Int, body: String, kind: SourceFailure.Kind
  ) async throws {
    // The list can't be had.
    let silent = try api(status, body, listsFail: true)
    let bench = try PixxelBench(port: silent.port, retries: 0)
    #expect(await bench.children("x").failure?.kind == kind)
    #expect(await bench.children("w", "x").failure?.kind == kind)
    #expect(await bench.status("w/x/t").failure?.kind == kind)
    await bench.shutdown()
    // The list has it.
    let refusing = try ScriptedServer { request, _ in
      request.target.hasPrefix("/v0/workflows?")
        ? Fixture.reply(200, #"{"workflows":[{"id":"w"}]}"#) : Fixture.reply(status, body)
    }
    let other = try PixxelBench(port: refusing.port, retries: 0)
    let failure = try #require(await other.children("w").failure)
    #expect(failure.kind == kind, "\(failure.reason)")
    await other.shutdown()
  }

  @Test func theTopIsNeverMissing() async throws {
    for body in [PixxelListTests.envelope("not_found", "no such thing"), "<html>"] {
      let server = try ScriptedServer { _, _ in Fixture.reply(404, body) }
      let bench = try PixxelBench(port: server.port)
      #expect(await bench.children().failure?.kind == .badAnswer)
      #expect(server.requests.count == 1)
      await bench.shutdown()
    }
  }

  @Test func whatCanNotBeReachedIsNotMissing() async throws {
    let bench = try PixxelBench(port: try ScriptedServer.unusedPort(), retries: 0)
    #expect(await bench.children("w").failure?.kind == .unreachable)
    #expect(await bench.status().failure?.kind == .unreachable)
    #expect(await bench.package().failure?.kind == .unreachable)
    await bench.shutdown()
  }

  @Test(arguments: [
    (402, SourceFailure.Kind.insufficientBalance), (429, .rateLimited), (500, .badAnswer), (503, .badAnswer),
  ]) func otherRefusalsAreNamed(status: Int, kind: SourceFailure.Kind) async throws {
    let server = try ScriptedServer { _, _ in Fixture.reply(status, PixxelListTests.envelope("x", "because")) }
    let bench = try PixxelBench(port: server.port, retries: 1)
    let failure = try #require(await bench.children("w").failure)
    #expect(failure.kind == kind && failure.reason.contains("because"))
    #expect(server.requests.count == (status == 402 ? 1 : 2))
    await bench.shutdown()
  }

  @Test(arguments: [
    "{}", "[]", "null", "", "<html>", #"{"jobs":[}"#, #"{"jobs":[1]"#, #"{"id":"other","tasks":[]}"#,
  ]) func answersThatPromiseNothingAreNoLists(body: String) async throws {
    let server = try ScriptedServer { _, _ in Fixture.reply(200, body) }
    let bench = try PixxelBench(port: server.port)
    #expect(await bench.children().failure?.kind == .badAnswer, "\(body)")
    #expect(await bench.children("w").failure?.kind == .badAnswer, "\(body)")
    #expect(await bench.children("w", "j").failure?.kind == .badAnswer, "\(body)")
    await bench.shutdown()
  }

  @Test func emptyListsHaveManyForms() async throws {
    for (group, bodies) in [
      ([], [#"{"workflows":[]}"#, #"{"workflows":null}"#, #"{"pagination":{"total":0}}"#]),
      (["w"], [#"{"jobs":[]}"#, #"{"jobs":null,"error":null}"#, #"{"jobs":[],"error":{}}"#]),
      (["w", "j"], [#"{"id":"j","tasks":[]}"#, #"{"id":"j"}"#, #"{"tasks":null}"#]),
    ] as [([String], [String])] {
      for body in bodies {
        let server = try ScriptedServer { _, _ in Fixture.reply(200, body) }
        let bench = try PixxelBench(port: server.port)
        #expect(try await bench.source.children(of: group).isEmpty, "\(body)")
        await bench.shutdown()
      }
    }
  }
}
