import Foundation
import TestSupport
import Testing

@testable import APISimulator

/// Driving a running simulator from another process.
@Suite struct AdministrationTests {
  @Test func tasksAreAddedChangedAndRemoved() async throws {
    try await withSimulator { simulator in
      let (curl, order) = (Curl(), "\(simulator.administration)/tasks/t")
      let put = try await curl.send(
        "PUT", order, body: #"{"state":"running","completed_episodes":1,"total_episodes":4}"#)
      #expect(put.status == 200)
      #expect(put.text == "{\"ok\":true}\n")
      let running = try await curl.get(simulator.statusURL("t"))
      #expect(running.text.contains(#""progress":{"total_episodes":4,"completed_episodes":1}"#))

      _ = try await curl.send(
        "PUT", order,
        body: #"{"files":[{"path":"名.txt","text":"hi"},{"path":"b","size":70000,"seed":3,"stored":true}]}"#)
      // The state is not touched by an order that says nothing of it.
      let early = try await curl.get(simulator.downloadURL("t"))
      #expect(early.text.contains("current status: running"))
      _ = try await curl.send("PUT", order, body: #"{"state":"completed"}"#)
      let download = try await curl.get(simulator.downloadURL("t"))
      let expected = [
        SimulatedFile(path: "名.txt", text: "hi"),
        SimulatedFile(
          name: [UInt8(ascii: "b")], content: .generated(GeneratedContent(seed: 3, size: 70_000)), method: .stored),
      ]
      #expect(difference(download.body, ZipStream.bytes(expected, style: .streamed)) == nil)

      let tasks = try await curl.get("\(simulator.administration)/tasks")
      #expect(tasks.text == "[{\"task_id\":\"t\",\"status\":\"completed\",\"original_bytes\":70002}]\n")
      _ = try await curl.send("DELETE", order)
      let gone = try await curl.get(simulator.statusURL("t"))
      #expect(gone.status == 400)
    }
  }

  @Test func anArchiveOnDisk() async throws {
    let directory = try TemporaryDirectory("archive")
    let bytes = (0..<700_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
    try Data(bytes).write(to: URL(fileURLWithPath: directory.file("a.zip")))
    try await withSimulator { simulator in
      let order = #"{"state":"completed","archive_file":"\#(directory.file("a.zip"))","original_bytes":1000000000}"#
      _ = try await Curl().send("PUT", "\(simulator.administration)/tasks/t", body: order)
      let answer = try await Curl().get(simulator.downloadURL("t"))
      #expect(difference(answer.body, bytes) == nil)
      #expect(simulator.counters().total.billedMicroDollars == 120_000)
      simulator.setFaults(.with { $0.contentLength = true })
      let known = try await Curl().get(simulator.downloadURL("t"))
      #expect(known.headers["content-length"] == "700000")
    }
  }

  @Test func countersRequestsAndReset() async throws {
    try await withSimulator([SimulatedTask(id: "t", files: [SimulatedFile(path: "a", text: "x")])]) { simulator in
      _ = try await Curl(key: "sk-1").get(simulator.statusURL("t"))
      _ = try await Curl(key: "sk-2").get(simulator.downloadURL("t"))
      let counters = try await Curl(key: nil).get("\(simulator.administration)/counters")
      let bytes = simulator.counters().total.bytesSent
      let tally =
        #"{"status":1,"download":1,"delete":0,"workflows":0,"jobs":0,"job":0,"put":0,"put_job":0,"get":0,"head":0,"other":0,"billed_downloads":1,"billed_micro_dollars":1,"bytes_sent":\#(bytes)}"#
      #expect(counters.text == #"{"total":\#(tally),"tasks":{"t":\#(tally)}}"# + "\n")
      let requests = try await Curl(key: nil).get("\(simulator.administration)/requests")
      #expect(
        requests.text.contains(#""method":"GET","path":"/serve/api/v2/screenplay/tasks/t","authorization":"sk-1""#))
      #expect(requests.text.contains(#""authorization":"sk-2""#))
      let reset = try await Curl(key: nil).send("POST", "\(simulator.administration)/reset")
      #expect(reset.status == 200)
      #expect(simulator.counters() == Counters())
      #expect(simulator.requests().isEmpty)
    }
  }

  @Test func faultsAreAddedReplacedAndCleared() async throws {
    try await withSimulator([SimulatedTask(id: "t", state: .pending)]) { simulator in
      let orders = "\(simulator.administration)/faults"
      func statuses(_ count: Int) async throws -> [Int] {
        var found: [Int] = []
        for _ in 0..<count { found.append(try await Curl().get(simulator.statusURL("t")).status) }
        return found
      }
      _ = try await Curl().send("POST", orders, body: #"{"faults":{"status":500},"times":1}"#)
      _ = try await Curl().send(
        "POST", orders, body: #"{"faults":{"status":429,"headers":{"Retry-After":"1"}},"times":1}"#)
      let added = try await statuses(3)
      #expect(added == [500, 429, 200])
      _ = try await Curl().send("POST", orders, body: #"[{"faults":{"status":503},"kind":"status","task":"t"}]"#)
      let replaced = try await statuses(2)
      #expect(replaced == [503, 503])
      _ = try await Curl().send("DELETE", orders)
      let cleared = try await statuses(1)
      #expect(cleared == [200])
    }
  }

  @Test(
    arguments: [
      ("POST", "faults", #"{"faults":{"stutus":500}}"#, "stutus"),
      ("POST", "faults", #"{"faults":{},"time":1}"#, "time"),
      ("POST", "faults", #"[{"faults":{"delay":"x"}}]"#, "delay"), ("POST", "faults", "{", "JSON"),
      ("PUT", "tasks/t", #"{"state":"done"}"#, "done"), ("PUT", "tasks/t", #"{"stat":"pending"}"#, "stat"),
      ("PUT", "tasks/t", #"{"files":[],"style":"x"}"#, "streamed-stored"),
    ])
  func mistakesAreRefused(method: String, path: String, body: String, part: String) async throws {
    try await withSimulator { simulator in
      let answer = try await Curl().send(method, "\(simulator.administration)/\(path)", body: body)
      #expect(answer.status == 400)
      #expect(answer.text.contains(part), "\(answer.text)")
      #expect(simulator.tasks.isEmpty)
    }
  }

  @Test func unknownOrders() async throws {
    try await withSimulator { simulator in
      let answer = try await Curl().get("\(simulator.administration)/nothing")
      #expect(answer.status == 404)
      #expect(simulator.counters().total.requests == 0)
    }
  }
}
