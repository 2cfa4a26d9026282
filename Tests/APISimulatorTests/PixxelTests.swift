import Testing

@testable import APISimulator

/// The Pixxel API over real HTTP.
@Suite struct PixxelTests {
  private static let package = SimulatedPackage.bytes(Array("the package".utf8))

  private static func workflow(_ tasks: [SimulatedPixxelTask]) -> SimulatedWorkflow {
    SimulatedWorkflow(id: "w", name: "Fields", jobs: [SimulatedJob(id: "j", name: "March", tasks: tasks)])
  }

  @Test func workflowsComeInPages() async throws {
    let workflows = (0..<5).map { SimulatedWorkflow(id: "w\($0)", name: "Number \($0)") }
    try await withSimulator(workflows: workflows, configure: { $0.pixxel.largestPage = 2 }) { simulator in
      let first = try await Curl().get(simulator.pixxelURL("?offset=0&limit=50"))
      #expect(first.headers["content-type"] == "application/json")
      #expect(first.headers["date"]?.hasSuffix("GMT") == true)
      #expect(
        first.text == """
          {"workflows":[{"id":"w0","name":"Number 0","created_at":"2026-03-13T09:30:00Z"},\
          {"id":"w1","name":"Number 1","created_at":"2026-03-13T09:30:00Z"}],\
          "pagination":{"limit":2,"offset":0,"total":5}}
          """)
      let last = try await Curl().get(simulator.pixxelURL("?offset=4&limit=2"))
      #expect(last.text.contains(#""workflows":[{"id":"w4","#))
      let none = try await Curl().get(simulator.pixxelURL("?offset=9"))
      #expect(none.text == #"{"workflows":[],"pagination":{"limit":2,"offset":9,"total":5}}"#)
      let wrong = try await Curl().get(simulator.pixxelURL("?offset=x"))
      #expect(wrong.status == 400)
      #expect(simulator.counters().total.workflows == 4)
    }
  }

  @Test func aJobWithItsTasks() async throws {
    let workflow = Self.workflow([
      SimulatedPixxelTask(id: "a", name: "Indices"),
      SimulatedPixxelTask(id: "b", state: .running(completedEpisodes: 1, totalEpisodes: 4)),
      SimulatedPixxelTask(id: "c", state: .failed(code: "CLOUDS", message: "Nothing but clouds.")),
    ])
    try await withSimulator(workflows: [workflow]) { simulator in
      let jobs = try await Curl().get(simulator.pixxelURL("/w/jobs"))
      let job = #""id":"j","name":"March","workflow_id":"w","status":"running","progress":"41""#
      #expect(jobs.text.hasPrefix(#"{"jobs":[{"# + job))
      #expect(!jobs.text.contains("tasks"))
      let answer = try await Curl().get(simulator.pixxelURL("/w/jobs/j"))
      #expect(answer.text.hasPrefix("{" + job))
      #expect(
        answer.text.contains(
          #"{"id":"a","name":"Indices","status":"completed","state_msg":"","progress":100.0,"created_at":"2026-"#))
      #expect(
        answer.text.contains(#"{"id":"b","name":null,"status":"running","state_msg":"1 of 4 tiles","progress":25.0,"#))
      #expect(answer.text.contains(#""err_msg":"Nothing but clouds.","failure_type":"CLOUDS"}"#))
      #expect(simulator.counters().task("w").jobs == 1)
      #expect(simulator.counters().task("w/j").job == 1)
    }
  }

  @Test func scriptsGoOnWhenSomethingElseChanges() async throws {
    let script = TaskScript([.hold(.pending, seconds: 0.3), .hold(.completed, seconds: nil)])
    try await withSimulator(workflows: [Self.workflow([SimulatedPixxelTask(id: "a", script: script)])]) { simulator in
      let early = try await Curl().get(simulator.pixxelURL("/w/jobs/j"))
      #expect(early.text.contains(#""id":"a","name":null,"status":"pending""#))
      try await Task.sleep(for: .milliseconds(300))
      simulator.updateTask("w/j/a") { $0.name = "named" }
      let late = try await Curl().get(simulator.pixxelURL("/w/jobs/j"))
      #expect(late.text.contains(#""id":"a","name":"named","status":"completed""#))
    }
  }

  @Test func pendingAndThenReady() async throws {
    let task = SimulatedPixxelTask(id: "a", package: Self.package, pendingAnswers: 2)
    try await withSimulator(workflows: [Self.workflow([task])]) { simulator in
      let url = simulator.pixxelURL("/w/jobs/j/tasks/a/download")
      for _ in 0..<2 {
        let answer = try await Curl().send("PUT", url)
        #expect(answer.text == #"{"id":"a","job_id":"j","workflow_id":"w","status":"pending","signed_url":""}"#)
      }
      let first = try await Curl().send("PUT", url)
      let second = try await Curl().send("PUT", url)
      #expect(first.member("status") == "ready")
      #expect(first.member("signed_url").hasPrefix("\(simulator.storeEndpoint)/packages/w/j/a/package.bin?X-Amz-"))
      #expect(first.member("signed_url") != second.member("signed_url"))
      #expect(simulator.counters().task("w/j/a").put == 4)
      let package = try await Curl.keyless.get(first.member("signed_url"))
      #expect(package.text == "the package")
    }
  }

  @Test(arguments: [SimulatedPixxelTask.PendingURL.null, .absent]) func otherFormsOfPending(
    url: SimulatedPixxelTask.PendingURL
  ) async throws {
    var task = SimulatedPixxelTask(id: "a", package: Self.package, pendingAnswers: 1)
    task.pendingURL = url
    try await withSimulator(workflows: [Self.workflow([task])]) { simulator in
      let answer = try await Curl().send("PUT", simulator.pixxelURL("/w/jobs/j/tasks/a/download"))
      #expect(answer.text.hasSuffix(url == .null ? #""status":"pending","signed_url":null}"# : #""status":"pending"}"#))
    }
  }

  @Test func theDownloadOfAJob() async throws {
    let job = SimulatedJob(id: "j", tasks: [], package: Self.package)
    try await withSimulator(workflows: [SimulatedWorkflow(id: "w", jobs: [job])]) { simulator in
      let answer = try await Curl().send("PUT", simulator.pixxelURL("/w/jobs/j/download"))
      #expect(answer.text.hasPrefix(#"{"id":"j","status":"ready","signed_url":"http://"#))
      #expect(answer.text.hasSuffix(#","workflowId":"w"}"#))
      #expect(simulator.counters().task("w/j").putJob == 1)
      let package = try await Curl.keyless.get(answer.member("signed_url"))
      #expect(package.text == "the package")
    }
  }

  @Test func anotherStoresAddress() async throws {
    let task = SimulatedPixxelTask(id: "a", package: .external("http://127.0.0.1:9/bucket/a.zip?Signature=x"))
    try await withSimulator(workflows: [Self.workflow([task])]) { simulator in
      let url = try await simulator.askForURL("w/j/a")
      #expect(url == "http://127.0.0.1:9/bucket/a.zip?Signature=x")
    }
  }

  @Test func whatCannotBeDownloaded() async throws {
    let tasks = [SimulatedPixxelTask(id: "a", state: .pending), SimulatedPixxelTask(id: "b")]
    try await withSimulator(workflows: [Self.workflow(tasks)]) { simulator in
      for (id, text) in [("a", "The task has not completed: pending."), ("b", "The task has no assets.")] {
        let answer = try await Curl().send("PUT", simulator.pixxelURL("/w/jobs/j/tasks/\(id)/download"))
        #expect(answer.status == 400)
        #expect(answer.text == #"{"error":{"code":"bad_request","message":"\#(text)","details":null}}"#)
      }
    }
  }

  @Test(arguments: [400, 403, 404]) func whatIsNotThere(status: Int) async throws {
    try await withSimulator(
      workflows: [Self.workflow([])], configure: { $0.pixxel.missingStatus = status }
    ) { simulator in
      for (method, path) in [
        ("GET", "/x/jobs"), ("GET", "/w/jobs/x"), ("PUT", "/w/jobs/j/tasks/x/download"), ("PUT", "/w/jobs/x/download"),
      ] {
        let answer = try await Curl().send(method, simulator.pixxelURL(path))
        #expect(answer.status == status)
        #expect(answer.text.contains(#""message":"There is no such "#))
      }
    }
  }

  @Test func keys() async throws {
    typealias Form = PixxelSettings.Authorization
    let expected: [(Form, String?, Int)] = [
      (.either, nil, 403), (.either, "k", 200), (.either, "Bearer k", 200), (.either, "x", 403), (.raw, "k", 200),
      (.raw, "Bearer k", 403), (.bearer, "k", 403), (.bearer, "Bearer k", 200), (.bearer, "Bearer x", 403),
    ]
    for (form, key, status) in expected {
      try await withSimulator(
        configure: {
          $0.pixxel.authorization = form
          $0.apiKeys = ["k"]
        }
      ) { simulator in
        let answer = try await Curl(key: key).get(simulator.pixxelURL(""))
        #expect(answer.status == status, "\(form) \(key ?? "none")")
      }
    }
  }

  @Test(arguments: [nil, 3]) func rateLimit(retryAfter: Int?) async throws {
    try await withSimulator(
      [SimulatedTask(id: "t", state: .pending)],
      configure: {
        $0.pixxel.requestsPerSecond = 0.001
        $0.pixxel.retryAfter = retryAfter
      }
    ) { simulator in
      let first = try await Curl().get(simulator.pixxelURL(""))
      let second = try await Curl().get(simulator.pixxelURL(""))
      #expect([first.status, second.status] == [200, 429])
      #expect(second.headers["retry-after"] == retryAfter.map(String.init))
      #expect(second.text.hasPrefix(#"{"error":{"code":"too_many_requests","#))
      // The other API's limit is its own.
      let other = try await Curl().get(simulator.statusURL("t"))
      #expect(other.status == 200)
    }
  }

  @Test func faultsSpeakThisApisLanguage() async throws {
    try await withSimulator(workflows: [Self.workflow([])]) { simulator in
      simulator.setFaults(.serverError(502), kind: .jobs)
      let struck = try await Curl().get(simulator.pixxelURL("/w/jobs"))
      #expect(struck.status == 502)
      #expect(struck.text == #"{"error":{"code":"internal","message":"Internal server error.","details":null}}"#)
      let free = try await Curl().get(simulator.pixxelURL("/w/jobs/j"))
      #expect(free.status == 200)
    }
  }

  @Test func whatTheApiDoesNotHaveIsCounted() async throws {
    try await withSimulator(workflows: [Self.workflow([SimulatedPixxelTask(id: "a")])]) { simulator in
      for (method, path) in [
        ("DELETE", "/w"), ("DELETE", "/w/jobs/j"), ("HEAD", "/w/jobs/j"), ("POST", "/w/jobs"),
        ("GET", "/w/jobs/j/tasks/a/download"),
      ] {
        let answer = try await Curl().send(method, simulator.pixxelURL(path))
        #expect(answer.status == 405, "\(method) \(path)")
        #expect(answer.exit == 0)
        #expect(answer.body.isEmpty == (method == "HEAD"))
      }
      let total = simulator.counters().total
      #expect([total.delete, total.head, total.other] == [2, 1, 2])
      #expect(simulator.counters().task("w/j/a").other == 1)
      let there = try await Curl().get(simulator.pixxelURL("/w/jobs/j"))
      #expect(there.status == 200)
    }
  }

  @Test func clocks() async throws {
    try await withSimulator(workflows: [Self.workflow([SimulatedPixxelTask(id: "a", package: Self.package)])]) {
      simulator in
      simulator.clock = .fixed(784_111_777)
      let url = try await simulator.askForURL("w/j/a")
      #expect(url.contains("X-Amz-Date=19941106T084937Z&X-Amz-Expires=3600&"))
      for url in [simulator.pixxelURL(""), simulator.statusURL("t"), url] {
        let answer = try await Curl().get(url)
        #expect(answer.headers["date"] == "Sun, 06 Nov 1994 08:49:37 GMT")
      }
      simulator.clock = .unsaid
      for url in [simulator.pixxelURL(""), url] {
        let answer = try await Curl().get(url)
        #expect(answer.status == 200)
        #expect(answer.headers["date"] == nil)
      }
    }
  }
}
