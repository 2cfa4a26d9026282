import Foundation
import TestSupport
import Testing

@testable import APISimulator

/// The address of another store, handed out by the simulated API: what users meet is S3, and so is this.
@Suite struct MotoTests {
  @Test(.enabled("moto or boto3 is not installed") { await MotoServer.isInstalled() })
  func aSignedAddressOfAnotherStore() async throws {
    let directory = try TemporaryDirectory("moto")
    let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 / 3) }
    try Data(bytes).write(to: URL(fileURLWithPath: directory.file("a.zip")))
    let moto = try await MotoServer.start(file: directory.file("a.zip"), key: "folder/a.zip")
    let task = SimulatedPixxelTask(id: "t", package: .external(moto.url))
    let workflow = SimulatedWorkflow(id: "w", jobs: [SimulatedJob(id: "j", tasks: [task])])
    try await withSimulator(workflows: [workflow]) { simulator in
      let url = try await simulator.askForURL("w/j/t")
      #expect(url.hasPrefix(moto.endpoint + "/results/folder/a.zip?"))
      let suffix = try await Curl.range("-100").get(url)
      #expect(suffix.status == 206)
      #expect(suffix.headers["content-range"] == "bytes 99900-99999/100000")
      #expect(difference(suffix.body, Array(bytes.suffix(100))) == nil)
      let whole = try await Curl.keyless.get(url)
      #expect(difference(whole.body, bytes) == nil)
      #expect(simulator.counters().total.get == 0)
    }
  }
}
