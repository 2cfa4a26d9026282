import APISimulator
import Tasks
import Testing

@testable import Providers

/// The whole road over real HTTP to the simulated API and its object store; their own counts are the oracle.
@Suite struct PixxelSimulatorTests {
  private static let content = Fixture.archive(2_000_000)
  private static let key = "w/j/t"

  private static func world(_ package: SimulatedPackage? = .bytes(content, name: "scene.tif")) -> [SimulatedWorkflow] {
    let tasks = [
      SimulatedPixxelTask(id: "t", name: "NDVI", package: package),
      SimulatedPixxelTask(id: "runs", state: .running(completedEpisodes: 1, totalEpisodes: 4)),
      SimulatedPixxelTask(id: "broke", state: .failed(code: "INPUT", message: "no sun")),
      SimulatedPixxelTask(id: "empty"),
    ]
    return [SimulatedWorkflow(id: "w", name: "Fields", jobs: [SimulatedJob(id: "j", tasks: tasks)])]
  }

  private func bench(
    _ simulator: APISimulator, authorization: KeyAuthorization = .raw, read: Duration = .seconds(30)
  ) async throws -> PixxelBench {
    try PixxelBench(port: try await simulator.start(), read: read, authorization: authorization)
  }

  private func read(
    _ package: any TaskPackage, _ range: PackageRange = .bytes(0..<2_000_000), _ version: PackageVersion? = nil
  ) async -> (bytes: [UInt8], failure: SourceFailure?) {
    do throws(SourceFailure) {
      return await drain(try await package.bytes(range, of: version).stream)
    } catch {
      return ([], error)
    }
  }

  @Test(arguments: [400, 403, 404]) func theTreeIsWalked(missing: Int) async throws {
    var configuration = APISimulator.Configuration()
    configuration.pixxel.missingStatus = missing
    configuration.pixxel.largestPage = 7
    let others = (0..<20).map { SimulatedWorkflow(id: "w\($0)") }
    let simulator = APISimulator(configuration, workflows: Self.world() + others)
    let bench = try await bench(simulator)
    let workflows = try await bench.children().get()
    #expect(workflows.count == 21 && workflows.first?.name == "Fields")
    #expect(simulator.counters().total.workflows == 3)
    #expect(try await bench.children("w").get().map(\.id) == ["j"])
    #expect(try await bench.children("w3").get().isEmpty)
    #expect(
      try await bench.children("w", "j").get().map(\.status?.state) == [.completed, .running, .failed, .completed])
    let failed = try await bench.status("w/j/broke").get()
    #expect(failed.errorCode == "INPUT" && failed.errorMessage == "no sun")
    #expect(try await bench.status("w/j/runs").get().progress == .percent(25))
    #expect(simulator.counters().total.job == 1)
    #expect(await bench.children("x").failure?.kind == .noSuchTask)
    #expect(await bench.children("w", "x").failure?.kind == .noSuchTask)
    #expect(await bench.status("x/y/z").failure?.kind == .noSuchTask)
    #expect(await bench.status("w/j/x").failure?.kind == .noSuchTask)
    #expect(await bench.package("w/j/x").failure?.kind == .noSuchTask)
    #expect(await bench.package("w/j/runs").failure?.kind == .notCompleted)
    #expect(await bench.package("w/j/empty").failure?.kind == .noResults)
    #expect(bench.connections.serverTime.now() != nil)
    await bench.shutdown()
    await simulator.stop()
  }

  @Test func onlyWhatIsAskedForMovesAndTheKeyStaysAtTheAPI() async throws {
    var configuration = APISimulator.Configuration()
    configuration.apiKeys = [secretText]
    configuration.pixxel.authorization = .bearer
    let simulator = APISimulator(configuration, workflows: Self.world())
    let bench = try await bench(simulator, authorization: .bearer)
    let package = try await bench.package().get()
    let answer = try await package.bytes(.last(1000), of: nil)
    #expect(await drain(answer.stream).bytes == Array(Self.content.suffix(1000)))
    #expect(answer.name == "scene.tif")
    for start in stride(from: UInt64(0), to: 1_000_000, by: 100_000) {
      let part = await read(package, .bytes(start..<start + 4096), answer.version)
      #expect(part.bytes == Array(Self.content[Int(start)..<Int(start) + 4096]) && part.failure == nil)
    }
    #expect(simulator.counters().package(Self.key).bytesSent == 1000 + 10 * 4096)
    #expect(simulator.counters().total.put == 1 && simulator.counters().total.head == 0)
    for request in simulator.requests() {
      #expect((request.authorization == nil) == (request.kind == .get), "\(request.kind)")
    }
    await bench.shutdown()
    await simulator.stop()
  }

  @Test func everyFaultOfAStreamIsMendedOrNamed() async throws {
    let simulator = APISimulator(workflows: Self.world())
    let bench = try await bench(simulator, read: .seconds(2))
    let package = try await bench.package().get()
    let mended: [Faults] = [
      .with { $0.resetAfter = 65_536 }, .with { $0.closeAfter = 300_000 },
      .with {
        $0.closeAfter = 300_000
        $0.contentLength = false
      },
      .with { $0.expireAfter = 500_000 },
    ]
    for (index, fault) in mended.enumerated() {
      simulator.setFaults(fault, kind: .get)
      let (bytes, failure) = await read(package)
      #expect(failure == nil, "\(index): \(failure?.reason ?? "")")
      #expect(bytes == Self.content, "\(index)")
    }
    for fault in [
      Faults.with { $0.stallAfter = 700_000 }, .with { $0.status = 503 }, .tooManyRequests(retryAfter: 3),
      .with { $0.drop = true }, .expired,
    ] {
      simulator.setFaults(fault, kind: .get, times: 1)
      let (bytes, failure) = await read(package)
      #expect(failure == nil && bytes == Self.content, "\(failure?.reason ?? "")")
    }
    await bench.shutdown()
    await simulator.stop()
  }

  @Test(arguments: RangeFault.allCases) func oddAnswersToRanges(fault: RangeFault) async throws {
    let simulator = APISimulator(workflows: Self.world())
    let bench = try await bench(simulator)
    let package = try await bench.package().get()
    simulator.setFaults(.with { $0.range = fault }, kind: .get)
    do throws(SourceFailure) {
      let end = try await package.bytes(.last(10), of: nil)
      #expect(fault == .ignored || fault == .suffixIgnored)
      #expect(end.isWhole == (fault == .ignored))
      #expect(await drain(end.stream).bytes == (fault == .ignored ? Self.content : Array(Self.content.suffix(10))))
    } catch {
      #expect(error.kind == .badAnswer && fault != .ignored && fault != .suffixIgnored)
    }
    // A fault that passes is outlived.
    simulator.setFaults(.with { $0.range = fault }, kind: .get, times: 1)
    if fault != .ignored {
      let (bytes, failure) = await read(package, .bytes(100..<200))
      #expect(failure == nil && bytes == Array(Self.content[100..<200]))
    }
    await bench.shutdown()
    await simulator.stop()
  }

  @Test(arguments: [false, true]) func versionsAreNeverMixed(tears: Bool) async throws {
    let other = [UInt8](repeating: 1, count: Self.content.count)
    let package = SimulatedPackage.bytes(Self.content, name: "p").with { $0.nextVersions = [.bytes(other)] }
    let simulator = APISimulator(workflows: Self.world(package))
    let bench = try await bench(simulator)
    let opened = try await bench.package().get()
    let version = try #require(try await opened.bytes(.last(1), of: nil).version)
    simulator.switchVersion(of: Self.key)
    #expect(await read(opened, .bytes(0..<10), version).failure?.kind == .changed)
    #expect(await read(opened, .bytes(0..<10)).bytes == Array(other.prefix(10)))
    simulator.switchVersion(of: Self.key)
    // In the middle of a stream that has to be continued. (A server that tears its answer in itself can't be noticed here.)
    simulator.setFaults(
      .with {
        $0.nextVersionAfter = 500_000
        $0.resetAfter = 500_000
        $0.tears = tears
      }, kind: .get, times: 1)
    let (bytes, failure) = await read(opened)
    #expect(failure?.kind == .changed)
    #expect(bytes == Array(Self.content.prefix(bytes.count)))
    await bench.shutdown()
    await simulator.stop()
  }

  @Test(arguments: ValidatorFault.allCases) func validatorsThatAreMissing(fault: ValidatorFault) async throws {
    let simulator = APISimulator(workflows: Self.world())
    let bench = try await bench(simulator)
    let package = try await bench.package().get()
    simulator.setFaults(.with { $0.validators = fault }, kind: .get)
    let version = try #require(try await package.bytes(.last(1), of: nil).version)
    #expect(version.isValidated == (fault != .neither))
    #expect(await read(package, .bytes(5..<10), version).bytes == Array(Self.content[5..<10]))
    simulator.expireURLs()
    let after = await read(package, .bytes(5..<10), version)
    #expect(after.failure?.kind == (fault == .neither ? .changed : nil))
    await bench.shutdown()
    await simulator.stop()
  }

  /// In real time, as users meet it.
  @Test func addressesOfOneSecond() async throws {
    var configuration = APISimulator.Configuration()
    configuration.store.urlLifetime = 1
    let simulator = APISimulator(configuration, workflows: Self.world())
    let port = try await simulator.start()
    let logs = LogCollector()
    let connections = HTTPConnections(logger: logs.logger)
    let source = PixxelSource(
      settings: SourceSettings(
        name: try Fixture.name("pixxel"), endpoint: try EndpointURL("http://127.0.0.1:\(port)"), price: .free,
        rateLimit: 0), key: FixedKey(try Fixture.key()), network: NetworkSettings(), connections: connections,
      logger: logs.logger)
    let package = try await source.package(of: try Fixture.task("pixxel/w/j/t"))
    for _ in 0..<3 {
      #expect(await read(package, .bytes(7..<70)).bytes == Array(Self.content[7..<70]))
      try await Task.sleep(for: .milliseconds(1100))
    }
    #expect(simulator.counters().total.put >= 3)
    #expect(logs.lines.allSatisfy { !$0.line.contains("X-Amz") && !$0.line.contains("Signature") })
    await connections.shutdown()
    await simulator.stop()
  }

  @Test func tenReadersRenewOnce() async throws {
    let simulator = APISimulator(workflows: Self.world())
    let bench = try await bench(simulator)
    let package = try await bench.package().get()
    simulator.expireURLs()
    await withTaskGroup { group in
      for index in 0..<10 {
        group.addTask {
          let start = UInt64(index * 100_000)
          let part = await read(package, .bytes(start..<start + 100_000))
          #expect(part.bytes == Array(Self.content[Int(start)..<Int(start) + 100_000]) && part.failure == nil)
        }
      }
    }
    #expect(simulator.counters().total.put == 2)
    await bench.shutdown()
    await simulator.stop()
  }

  @Test func redirectsToAnotherHostSeeNoKey() async throws {
    let simulator = APISimulator(workflows: Self.world())
    let bench = try await bench(simulator)
    let package = try await bench.package().get()
    simulator.setFaults(.with { $0.redirectHost = "localhost:\(simulator.storePort)" }, kind: .get)
    #expect(await read(package, .bytes(0..<100)).bytes == Array(Self.content.prefix(100)))
    let gets = simulator.requests().filter { $0.kind == .get }
    #expect(gets.map(\.host) == ["127.0.0.1:\(simulator.storePort)", "localhost:\(simulator.storePort)"])
    #expect(gets.allSatisfy { $0.authorization == nil })
    await bench.shutdown()
    await simulator.stop()
  }
}
