import APISimulator
import Foundation
import Tasks
import TestSupport
import Testing

@testable import Providers

/// Other people's S3 server with an address that boto3 has signed: what users meet.
@Suite struct MotoTests {
  @Test(.enabled("moto or boto3 is not installed") { await MotoServer.isInstalled() })
  func rangesFromAnotherStore() async throws {
    let directory = try TemporaryDirectory("moto")
    let content = Fixture.archive(500_000)
    try Data(content).write(to: URL(fileURLWithPath: directory.file("a.zip")))
    let moto = try await MotoServer.start(file: directory.file("a.zip"), key: "folder/scene 7+.zip")
    let task = SimulatedPixxelTask(id: "t", package: .external(moto.url))
    let simulator = APISimulator(workflows: [
      SimulatedWorkflow(id: "w", jobs: [SimulatedJob(id: "j", tasks: [task])])
    ])
    let bench = try PixxelBench(port: try await simulator.start())
    let package = try await bench.package().get()
    let end = try await package.bytes(.last(1000), of: nil)
    #expect(await drain(end.stream).bytes == Array(content.suffix(1000)))
    #expect(end.offset == 499_000 && end.name == "scene 7+.zip" && !end.isWhole)
    let version = try #require(end.version)
    #expect(version.isValidated && version.size == ByteCount(500_000) && version.validator?.first == "\"")
    let middle = try await package.bytes(.bytes(1000..<400_000), of: version)
    #expect(await drain(middle.stream).bytes == Array(content[1000..<400_000]))
    let whole = try await package.bytes(.whole, of: version)
    #expect(await drain(whole.stream).bytes == content && whole.isWhole)
    let signature = try #require(moto.url.firstRange(of: "Signature=")).upperBound
    #expect(bench.logs.lines.allSatisfy { !$0.line.contains(moto.url[signature...]) })
    #expect(simulator.counters().total.put == 1)
    await bench.shutdown()
    await simulator.stop()
  }
}
