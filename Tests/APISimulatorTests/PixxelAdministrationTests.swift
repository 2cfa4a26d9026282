import Foundation
import TestSupport
import Testing

@testable import APISimulator

/// Driving the Pixxel API and the store from another process.
@Suite struct PixxelAdministrationTests {
  @Test func aTaskWithAPackageFromAFile() async throws {
    let directory = try TemporaryDirectory("package")
    for (name, text) in [("a.zip", "first"), ("b.zip", "second")] {
      try Data(text.utf8).write(to: URL(fileURLWithPath: directory.file(name)))
    }
    try await withSimulator { simulator in
      let task = "\(simulator.administration)/workflows/w/jobs/j/tasks/t"
      let file = #"{"file":"\#(directory.file("a.zip"))","next_files":["\#(directory.file("b.zip"))"]}"#
      _ = try await Curl(key: nil).send("PUT", task, body: #"{"name":"T","state":"completed","package":\#(file)}"#)
      _ = try await Curl(key: nil).send("PUT", "\(simulator.administration)/workflows/w", body: #"{"name":"W"}"#)
      _ = try await Curl(key: nil).send("PUT", "\(simulator.administration)/workflows/w/jobs/j", body: #"{"name":"J"}"#)
      // What was said before stays.
      _ = try await Curl(key: nil).send("PUT", task, body: #"{"pending_answers":1}"#)
      let list = try await Curl(key: nil).get("\(simulator.administration)/workflows")
      #expect(
        list.text == """
          [{"workflow_id":"w","name":"W","jobs":[{"job_id":"j","name":"J","tasks":[{"task_id":"t","name":"T",\
          "status":"completed","key":"w/j/t","package":"a.zip"}]}]}]

          """)
      let pending = try await simulator.askForURL("w/j/t")
      #expect(pending == "")
      let url = try await simulator.askForURL("w/j/t")
      let first = try await Curl.keyless.get(url)
      #expect(first.text == "first")
      _ = try await Curl(key: nil).send("POST", "\(simulator.administration)/versions/w/j/t")
      let second = try await Curl.range("0-3").get(url)
      #expect(second.text == "seco")
      let packages = try await Curl(key: nil).get("\(simulator.administration)/packages")
      #expect(
        packages.text
          == #"{"w/j/t":{"bytes_sent":9,"bytes_sent_twice":0,"runs":[[3,1,0,5],[4,2,0,4]]}}"# + "\n")
      _ = try await Curl(key: nil).send("DELETE", task)
      let gone = try await Curl().get(simulator.pixxelURL("/w/jobs/j"))
      #expect(gone.text.hasSuffix(#""tasks":[]}"#))
      _ = try await Curl(key: nil).send("DELETE", "\(simulator.administration)/workflows/w")
      #expect(simulator.workflows.isEmpty)
      let lost = try await Curl.keyless.get(url)
      #expect(lost.status == 404)
    }
  }

  @Test func addressesExpiryAndCounters() async throws {
    try await withSimulator { simulator in
      let order =
        #"{"state":"completed","package":{"files":[{"path":"a","text":"x","stored":true}],"disposition":"inline"}}"#
      _ = try await Curl(key: nil).send(
        "PUT", "\(simulator.administration)/workflows/w/jobs/j/tasks/t", body: order)
      let url = try await Curl(key: nil).send("POST", "\(simulator.administration)/urls/w/j/t").member("url")
      let answer = try await Curl.keyless.get(url)
      #expect(
        difference(
          answer.body,
          ZipStream.bytes(
            [SimulatedFile(path: "a", text: "x", method: .stored)], style: .seekable)) == nil)
      #expect(answer.headers["content-disposition"] == "inline")
      _ = try await Curl(key: nil).send("POST", "\(simulator.administration)/expire")
      let late = try await Curl.keyless.get(url)
      #expect(late.status == 403)
      let counters = try await Curl(key: nil).get("\(simulator.administration)/counters")
      #expect(counters.text.contains(#""put":0,"put_job":0,"get":2,"head":0,"other":0"#))
      let addresses = try await Curl(key: nil).get("\(simulator.administration)/addresses")
      #expect(
        addresses.text == #"{"screenplay":"\#(simulator.endpoint)","pixxel":"\#(simulator.pixxelEndpoint)","#
          + #""store":"\#(simulator.storeEndpoint)"}"# + "\n")
      let unknown = try await Curl(key: nil).send("POST", "\(simulator.administration)/urls/w/j/x")
      #expect(unknown.status == 400)
    }
  }

  @Test func faultsClockAndRelease() async throws {
    try await withPackage(.bytes([1, 2, 3])) { simulator, url in
      let rules = #"[{"faults":{"range":"wrong_total","validators":"weak","hold":true},"kind":"get","task":"w/j/t"}]"#
      _ = try await Curl(key: nil).send("POST", "\(simulator.administration)/faults", body: rules)
      _ = try await Curl(key: nil).send("PUT", "\(simulator.administration)/clock", body: #"{"fixed":784111777}"#)
      let request = try await Curl.range("0-1").begin("GET", url)
      let isHeld = try await eventually { simulator.heldAnswers == 1 }
      #expect(isHeld)
      let release = try await Curl(key: nil).send("POST", "\(simulator.administration)/release")
      #expect(release.headers["date"] == "Sun, 06 Nov 1994 08:49:37 GMT")
      let answer = await request.answer()
      #expect(answer.headers["content-range"] == "bytes 0-1/4")
      #expect(answer.headers["etag"]?.hasPrefix("W/") == true)
      #expect(answer.headers["date"] == "Sun, 06 Nov 1994 08:49:37 GMT")
    }
  }

  @Test(
    arguments: [
      ("PUT", "workflows/w", #"{"nam":"x"}"#, "nam"), ("PUT", "workflows/w/jobs/j", #"{"task":1}"#, "task"),
      ("PUT", "workflows/w/jobs/j/tasks/t", #"{"state":"done"}"#, "done"),
      ("PUT", "workflows/w/jobs/j/tasks/t", #"{"package":{"fil":"x"}}"#, "fil"),
      ("PUT", "workflows/w/jobs/j/tasks/t", #"{"package":{}}"#, "exactly one"),
      ("PUT", "workflows/w/jobs/j/tasks/t", #"{"pending_url":"no"}"#, "pending_url"),
      ("PUT", "clock", #"{"ofset":1}"#, "ofset"), ("POST", "faults", #"{"faults":{"range":"no"}}"#, "range"),
    ])
  func mistakesAreRefused(method: String, path: String, body: String, part: String) async throws {
    try await withSimulator { simulator in
      let answer = try await Curl(key: nil).send(method, "\(simulator.administration)/\(path)", body: body)
      #expect(answer.status == 400)
      #expect(answer.text.contains(part), "\(answer.text)")
      #expect(simulator.workflows.isEmpty)
    }
  }
}
