import Glibc
import Synchronization
import Tasks
import TestSupport
import Testing

@testable import Providers

/// Lists and statuses over real sockets. The server's count of requests is the oracle.
@Suite struct PixxelListTests {
  /// Answers by path; whatever has none gets the refusal.
  private func api(
    _ answers: [String: String], else refusal: (status: Int, body: String) = (404, Self.envelope("not_found", "nope"))
  ) throws -> ScriptedServer {
    try ScriptedServer { request, _ in
      let path = String(request.target.prefix { $0 != "?" })
      return answers[path].map { Fixture.reply(200, $0) } ?? Fixture.reply(refusal.status, refusal.body)
    }
  }

  static func envelope(_ code: String, _ message: String) -> String {
    "{\"error\":{\"code\":\"\(code)\",\"message\":\"\(message)\",\"details\":null}}"
  }

  private static let job = #"{"id":"j","status":"running","tasks":[{"id":"t","status":"running","progress":12.5}]}"#

  // MARK: Pages

  private func paged(
    _ total: Int, tellsTotal: Bool = true, page: Int = 50, ignoresOffset: Bool = false
  ) throws -> ScriptedServer {
    try ScriptedServer { request, _ in
      let offset = ignoresOffset ? 0 : Int(request.target.split(separator: "=")[1].prefix { $0.isNumber }) ?? 0
      let ids = (offset..<max(offset, min(total, offset + page))).map { "{\"id\":\"w\($0)\",\"name\":\"n\($0)\"}" }
      let pagination = tellsTotal ? ",\"pagination\":{\"limit\":\(page),\"offset\":\(offset),\"total\":\(total)}" : ""
      return Fixture.reply(200, "{\"workflows\":[\(ids.joined(separator: ","))]\(pagination)}")
    }
  }

  @Test(arguments: [(0, 1), (1, 1), (50, 1), (51, 2), (120, 3)])
  func allPagesAreListed(total: Int, requests: Int) async throws {
    let server = try paged(total)
    let bench = try PixxelBench(port: server.port)
    let entries = try await bench.children().get()
    #expect(entries.map(\.id) == (0..<total).map { "w\($0)" })
    #expect(entries.first?.name == (total > 0 ? "n0" : nil))
    #expect(server.requests.count == requests)
    #expect(server.requests.first?.target == "/v0/workflows?offset=0&limit=50")
    #expect(server.requests.first?.method == "GET")
    await bench.shutdown()
  }

  @Test func aServerWithSmallerPagesIsFollowed() async throws {
    let server = try paged(45, page: 20)
    let bench = try PixxelBench(port: server.port)
    #expect(try await bench.children().get().count == 45)
    let queries = server.requests.map { $0.target.drop { $0 != "?" } }
    #expect(queries == ["?offset=0&limit=50", "?offset=20&limit=50", "?offset=40&limit=50"])
    await bench.shutdown()
  }

  @Test func withoutATotalTheListEndsWithNothingNew() async throws {
    let server = try paged(70, tellsTotal: false)
    let bench = try PixxelBench(port: server.port)
    #expect(try await bench.children().get().count == 70)
    #expect(server.requests.count == 3)
    await bench.shutdown()
    let deaf = try paged(50, tellsTotal: false, ignoresOffset: true)
    let other = try PixxelBench(port: deaf.port)
    #expect(try await other.children().get().count == 50)
    #expect(deaf.requests.count == 2)
    await other.shutdown()
  }

  @Test func pagingEndsWhateverAServerSays() {
    var paging = Paging()
    var pages = 0
    while paging.next != nil {
      paging.take(.init(entries: [TaskListing(id: "w\(pages)")], count: 1, total: .max))
      pages += 1
    }
    #expect(pages == PixxelSource.mostPages && paging.isCutOff)
    // A total that is too small is not believed; one that is right, past entries that could not be read, is.
    var small = Paging()
    small.take(.init(entries: [TaskListing(id: "a"), TaskListing(id: "b")], count: 2, total: 1))
    #expect(small.next == 2)
    small.take(.init(entries: [], count: 0, total: 1))
    #expect(small.next == nil && !small.isCutOff && small.entries.count == 2)
    var odd = Paging()
    odd.take(.init(entries: [TaskListing(id: "a")], count: 2, total: 2))
    #expect(odd.next == nil)
  }

  // MARK: Ids

  @Test func whatCanNotBeADirectoryIsLeftOutAndNoted() async throws {
    let server = try api([
      "/v0/workflows/w/jobs":
        #"{"jobs":[{"id":7,"name":null},{"id":"a/b"},{"id":"..","name":"up"},{"name":"nameless"},null,3,{"id":"ok"},{"id":"ok"},{"id":""}]}"#
    ])
    let bench = try PixxelBench(port: server.port)
    for _ in 0..<2 {
      #expect(try await bench.children("w").get() == [TaskListing(id: "7"), TaskListing(id: "ok")])
      bench.clock.advance(by: .seconds(5))
    }
    #expect(server.requests.count == 2)
    let notices = bench.logs.lines.filter { $0.level == .notice }
    #expect(notices.count == 2, "once an id")
    #expect(notices.contains { $0.line.contains("a/b") })
    await bench.shutdown()
  }

  @Test func anIdCanNotChangeThePath() async throws {
    let server = try api(["/v0/workflows/w%3F%2E/jobs": "{}"])
    let bench = try PixxelBench(port: server.port)
    _ = await bench.children("w?/..", "j#")
    #expect(server.requests.first?.target == "/v0/workflows/w%3F%2F../jobs/j%23")
    await bench.shutdown()
  }

  // MARK: Statuses

  @Test func theEntryOfTheJobIsTheStatus() async throws {
    let entry =
      #"{ "id" : "t2","name":"NDVI \"x\" ]}", "status":"Failed","progress":"40%","err_msg":"","state_msg":"no sun","failure_type":"INPUT" }"#
    let server = try api(["/v0/workflows/w/jobs/j": #"{"id":"j","tasks":[{"id":"t","status":"done"}, \#(entry) ]}"#])
    let bench = try PixxelBench(port: server.port)
    let status = try await bench.status("w/j/t2").get()
    #expect(status.raw == Array(entry.utf8))
    #expect(status.state == .failed && status.progress == .percent(40))
    #expect(status.errorCode == "INPUT" && status.errorMessage == "no sun" && status.name == #"NDVI "x" ]}"#)
    #expect(try await bench.status("w/j/t").get().state == .completed)
    #expect(await bench.status("w/j/t3").failure?.kind == .noSuchTask)
    #expect(server.requests.count == 1)
    let listed = try await bench.children("w", "j").get()
    #expect(listed.map(\.status?.state) == [.completed, .failed])
    await bench.shutdown()
  }

  @Test(arguments: [
    ("Completed", TaskState.completed), ("SUCCEEDED", .completed), ("done", .completed), ("finished", .completed),
    ("error", .failed), ("Failure", .failed), ("canceled", .cancelled), ("CANCELLED", .cancelled),
    ("aborted", .cancelled), ("terminated", .cancelled), ("queued", .pending), ("created", .pending),
    ("scheduled", .pending), ("waiting", .pending), ("submitted", .pending), ("IN_PROGRESS", .running),
    ("in progress", .running), ("processing", .running), ("started", .running), ("executing", .running),
    ("tasking", .other("tasking")),
  ]) func wordsAreReadLiberally(word: String, state: TaskState) {
    #expect(PixxelEntry.state(word) == state)
  }

  @Test func oddFieldsAreAsIfTheyWereMissing() throws {
    let text = #"{"id":1,"name":{},"status":["x"],"progress":{},"err_msg":5,"failure_type":null,"progress2":1}"#
    let entry = try #require(PixxelEntry.decode(Array(text.utf8)[...]))
    #expect(entry.id == "1" && entry.name == nil && entry.state == nil && entry.progress == nil)
    for (text, expected) in [("-5", 0.0), ("250", 100), ("\"33.5\"", 33.5), ("\"nan\"", nil), ("1e999", nil)]
      as [(String, Double?)]
    {
      let entry = PixxelEntry.decode(Array("{\"id\":\"a\",\"progress\":\(text)}".utf8)[...])
      #expect(entry?.progress == expected, "\(text)")
    }
  }

  @Test func fiftyStatusesAreOneCallAndAgainASecondLater() async throws {
    let tasks = (0..<50).map { "{\"id\":\"t\($0)\",\"status\":\"running\"}" }.joined(separator: ",")
    let server = try api(["/v0/workflows/w/jobs/j": "{\"id\":\"j\",\"tasks\":[\(tasks)]}"])
    let bench = try PixxelBench(port: server.port)
    await withTaskGroup { group in
      for index in 0..<50 {
        group.addTask { #expect((try? await bench.status("w/j/t\(index)").get().state) == .running) }
      }
    }
    #expect(server.requests.count == 1)
    bench.clock.advance(by: .milliseconds(900))
    _ = try await bench.status("w/j/t7").get()
    #expect(server.requests.count == 1)
    bench.clock.advance(by: .milliseconds(200))
    _ = try await bench.status("w/j/t7").get()
    #expect(server.requests.count == 2)
    await bench.shutdown()
  }

  @Test func aFailureIsSharedAtTheMomentOnly() async throws {
    let server = try ScriptedServer { _, number in
      number == 1 ? Fixture.reply(401, "{}") : Fixture.reply(200, Self.job)
    }
    let bench = try PixxelBench(port: server.port)
    #expect(await bench.status().failure?.kind == .accessDenied)
    #expect(try await bench.status().get().state == .running)
    await bench.shutdown()
  }

  @Test func whoGoesDoesNotTakeTheAnswerFromTheOthers() async throws {
    let gate = Gate()
    let server = try ScriptedServer { connection in
      while connection.readRequest() != nil {
        gate.wait()
        connection.send(Fixture.reply(200, Self.job))
      }
    }
    let bench = try PixxelBench(port: server.port)
    let first = Task { await bench.status() }
    try await eventually { server.requests.count == 1 }
    let second = Task { await bench.status() }
    while await bench.source.lists.waiting(for: ["w", "j"]) < 2 { await Task.yield() }
    // The first one asked; it goes while the answer is awaited.
    first.cancel()
    #expect(await first.value.failure?.kind == .cancelled)
    gate.open()
    #expect(try await second.value.get().state == .running)
    #expect(server.requests.count == 1)
    await bench.shutdown()
  }

  @Test func whenEverybodyHasGoneTheCallIsDropped() async throws {
    let server = try ScriptedServer { connection in
      _ = connection.readRequest()
      connection.waitForClose()
    }
    let bench = try PixxelBench(port: server.port)
    let callers = (0..<3).map { _ in Task { await bench.status() } }
    try await eventually { server.requests.count == 1 && server.openConnections == 1 }
    for caller in callers { caller.cancel() }
    for caller in callers { #expect(await caller.value.failure?.kind == .cancelled) }
    try await eventually { server.openConnections == 0 }
    await bench.shutdown()
  }

  // MARK: Keys

  @Test(arguments: [(KeyAuthorization.raw, secretText), (.bearer, "Bearer \(secretText)")])
  func theKeyGoesAsConfigured(authorization: KeyAuthorization, header: String) async throws {
    let server = try api(["/v0/workflows/w/jobs": #"{"jobs":null}"#])
    let bench = try PixxelBench(port: server.port, authorization: authorization)
    #expect(try await bench.children("w").get().isEmpty)
    #expect(server.requests.first?.headers["authorization"] == header)
    await bench.shutdown()
  }

  @Test func anotherKeyIsTriedOnceAfterA401() async throws {
    let server = try ScriptedServer { request, _ in
      request.headers["authorization"] == "new" ? Fixture.reply(200, Self.job) : Fixture.reply(401, "{}")
    }
    let bench = try PixxelBench(port: server.port, key: RotatingKey(["old", "new"]))
    #expect(try await bench.status().get().state == .running)
    #expect(server.requests.count == 2)
    await bench.shutdown()
  }
}

/// Holds threads of a server back until a test lets them go on.
final class Gate: Sendable {
  private let isOpen = Mutex(false)

  var isOpened: Bool { isOpen.withLock(\.self) }

  func open() { isOpen.withLock { $0 = true } }

  func wait() {
    while !isOpen.withLock(\.self) { usleep(2000) }
  }
}
