import Testing

@testable import APISimulator

/// The API's pages, word for word, over real HTTP.
@Suite struct ScreenplayTests {
  private static let id = "ros-sd-20260313-a3f8c2b1"

  @Test func statusOfARunningTaskIsTheExampleOfThePage() async throws {
    let task = SimulatedTask(id: Self.id, state: .running(completedEpisodes: 12, totalEpisodes: 87))
    try await withSimulator([task]) { simulator in
      let answer = try await Curl().get(simulator.statusURL(Self.id))
      #expect(answer.status == 200)
      #expect(answer.headers["content-type"] == "application/json")
      #expect(answer.headers["date"]?.hasSuffix("GMT") == true)
      #expect(
        answer.text == """
          {"code":200,"msg":"success","data":{"task_id":"ros-sd-20260313-a3f8c2b1","status":"running",\
          "progress":{"total_episodes":87,"completed_episodes":12}},"failed":false,"success":true}
          """)
    }
  }

  @Test(
    arguments: [
      (TaskState.pending, #""status":"pending"},"#), (.completed, #""status":"completed"},"#),
      (.cancelled, #""status":"cancelled"},"#),
      (
        .failed(code: "E1", message: "no \"sound\""),
        #""status":"failed","error_code":"E1","error_message":"no \"sound\""},"#
      ),
    ])
  func otherStates(state: TaskState, part: String) async throws {
    try await withSimulator([SimulatedTask(id: "t", state: state)]) { simulator in
      let answer = try await Curl().get(simulator.statusURL("t"))
      #expect(
        answer.text == #"{"code":200,"msg":"success","data":{"task_id":"t","# + part
          + #""failed":false,"success":true}"#)
    }
  }

  @Test(
    arguments: [
      (TaskState.pending, TaskResult.none, 400, "Task is not completed yet, current status: pending"),
      (
        .running(completedEpisodes: 1, totalEpisodes: 2), .none, 400,
        "Task is not completed yet, current status: running"
      ),
      (.failed(code: "E", message: "m"), .none, 400, "Task is not completed yet, current status: failed"),
      (.cancelled, .none, 400, "Task is not completed yet, current status: cancelled"),
      (.completed, .none, 400, "No result data available for this task."),
      (.completed, .files([], style: .streamed), 400, "No downloadable files found for this task."),
      (
        .completed, .archive([1], originalBytes: 1_000_000_000), 402,
        "Insufficient balance to download the resource. Please recharge and try again."
      ),
    ])
  func downloadRefusals(state: TaskState, result: TaskResult, status: Int, message: String) async throws {
    let task = SimulatedTask(id: "t", state: state, result: result)
    try await withSimulator([task], configure: { $0.balance = 119_999 }) { simulator in
      let answer = try await Curl().get(simulator.downloadURL("t"))
      #expect(answer.status == status)
      #expect(
        answer.text == #"{"code":\#(status),"msg":"\#(message)","data":null,"failed":true,"success":false}"#)
      #expect(simulator.counters().total.billedMicroDollars == 0)
    }
  }

  @Test func unknownTask() async throws {
    try await withSimulator { simulator in
      for url in [simulator.statusURL("nobody"), simulator.downloadURL("nobody")] {
        let answer = try await Curl().get(url)
        #expect(answer.status == 400)
        #expect(
          answer.text
            == #"{"code":400,"msg":"Task not found for id: nobody","data":null,"failed":true,"success":false}"#)
      }
    }
    try await withSimulator(configure: { $0.unknownTaskStatus = 404 }) { simulator in
      let first = try await Curl().get(simulator.statusURL("nobody"))
      #expect(first.status == 404)
    }
  }

  @Test func keys() async throws {
    let task = SimulatedTask(id: "t", state: .pending)
    try await withSimulator([task], configure: { $0.apiKeys = ["sk-mai-right"] }) { simulator in
      for key in [nil, "sk-mai-wrong", "Bearer sk-mai-right"] {
        let answer = try await Curl(key: key).get(simulator.statusURL("t"))
        #expect(answer.status == 401)
        #expect(answer.text.hasPrefix(#"{"code":401,"msg":"Unauthorized"#))
      }
      let first = try await Curl(key: "sk-mai-right").get(simulator.statusURL("t"))
      #expect(first.status == 200)
      #expect(
        simulator.requests().map(\.authorization) == [nil, "sk-mai-wrong", "Bearer sk-mai-right", "sk-mai-right"])
    }
  }

  @Test func downloadHeadersAndBill() async throws {
    // 8,334 bytes cost one micro-dollar and a bit: rounded up, two.
    let file = SimulatedFile(path: "a.json", bytes: [UInt8](repeating: 65, count: 8_334))
    try await withSimulator([SimulatedTask(id: "t", files: [file])]) { simulator in
      let answer = try await Curl().get(simulator.downloadURL("t"))
      #expect(answer.exit == 0)
      #expect(answer.status == 200)
      #expect(answer.headers["content-type"] == "application/zip")
      #expect(answer.headers["content-disposition"] == #"attachment; filename="t.zip""#)
      #expect(answer.headers["transfer-encoding"] == "chunked")
      #expect(answer.headers["content-length"] == nil)
      #expect(Array(answer.body.prefix(4)) == [0x50, 0x4b, 3, 4])
      let tally = simulator.counters().task("t")
      #expect(tally.billedMicroDollars == 2)
      #expect(tally.billedDownloads == 1)
      #expect(tally.bytesSent == Int64(answer.body.count))
      #expect(simulator.requests().last?.completed == true)
      // Every download is charged again.
      _ = try await Curl().get(simulator.downloadURL("t"))
      #expect(simulator.counters().total.billedMicroDollars == 4)
    }
  }

  @Test func aLostBalanceEndsTheDownloads() async throws {
    let file = SimulatedFile(path: "a", bytes: [UInt8](repeating: 0, count: 1_000_000))
    try await withSimulator([SimulatedTask(id: "t", files: [file])], configure: { $0.balance = 200 }) { simulator in
      let first = try await Curl().get(simulator.downloadURL("t"))
      #expect(first.status == 200)
      #expect(simulator.balance == 80)
      let second = try await Curl().get(simulator.downloadURL("t"))
      #expect(second.status == 402)
      #expect(simulator.balance == 80)
    }
  }

  @Test func deletesAreCountedAndCancel() async throws {
    try await withSimulator([SimulatedTask(id: "t", state: .pending)]) { simulator in
      let first = try await Curl().send("DELETE", simulator.statusURL("t"))
      #expect(first.text.contains(#""status":"cancelled""#))
      let second = try await Curl().send("DELETE", simulator.statusURL("t"))
      #expect(second.status == 409)
      #expect(simulator.counters().task("t").delete == 2)
      let third = try await Curl().get(simulator.statusURL("t"))
      #expect(third.text.contains(#""status":"cancelled""#))
    }
  }

  @Test func rateLimit() async throws {
    try await withSimulator(
      [SimulatedTask(id: "t", state: .pending)], configure: { $0.requestsPerSecond = 0.001 }
    ) { simulator in
      let first = try await Curl().get(simulator.statusURL("t"))
      #expect(first.status == 200)
      let answer = try await Curl().get(simulator.statusURL("t"))
      #expect(answer.status == 429)
      #expect(answer.text.hasPrefix(#"{"code":429,"#))
    }
  }

  @Test func successCanHaveATextCode() async throws {
    try await withSimulator(
      [SimulatedTask(id: "t", state: .pending)], configure: { $0.hasTextCodes = true }
    ) { simulator in
      let first = try await Curl().get(simulator.statusURL("t"))
      #expect(first.text.hasPrefix(#"{"code":"0000","msg":"success","#))
    }
  }

  @Test func failuresCanComeInsideOK() async throws {
    try await withSimulator(configure: { $0.failsInsideOK = true }) { simulator in
      let answer = try await Curl().get(simulator.statusURL("x"))
      #expect(answer.status == 200)
      #expect(answer.text.contains(#""code":400,"#))
    }
  }

  @Test func stopsAndStartsAgainOnTheSamePort() async throws {
    let simulator = APISimulator(tasks: [SimulatedTask(id: "t", state: .pending)])
    let port = try await simulator.start()
    let first = try await Curl().get(simulator.statusURL("t"))
    #expect(first.status == 200)
    await #expect(throws: APISimulator.StartFailure.self) { try await simulator.start() }
    await simulator.stop()
    // 7: could not connect.
    let second = try await Curl().get(simulator.statusURL("t"))
    #expect(second.exit == 7)
    let again = try await simulator.start()
    #expect(again == port)
    let third = try await Curl().get(simulator.statusURL("t"))
    #expect(third.status == 200)
    await simulator.stop()
  }
}
