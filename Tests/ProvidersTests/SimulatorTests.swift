import APISimulator
import Tasks
import Testing

@testable import Providers

/// The whole road over real HTTP to the simulated API; its own counts are the oracle.
@Suite struct SimulatorTests {
  private func bench(
    _ simulator: APISimulator, retries: Int = 4, read: Duration = .seconds(30)
  ) async throws -> Bench {
    try Bench(port: try await simulator.start(), retries: retries, read: read)
  }

  private static let files = [
    SimulatedFile(path: "merged.xlsx", bytes: Fixture.archive(300_000), method: .stored),
    SimulatedFile(path: "namelist.json", text: "{}"),
  ]

  static let dialects: [APISimulator.Configuration] = [false, true].flatMap { texts in
    [false, true].map { inside in
      var configuration = APISimulator.Configuration()
      configuration.hasTextCodes = texts
      configuration.failsInsideOK = inside
      return configuration
    }
  }

  @Test(arguments: [0, 1, 2, 3]) func everyStatusAndEveryRefusalIsUnderstood(dialect: Int) async throws {
    let simulator = APISimulator(
      Self.dialects[dialect],
      tasks: [
        SimulatedTask(id: "waits", state: .pending),
        SimulatedTask(id: "runs", state: .running(completedEpisodes: 12, totalEpisodes: 87)),
        SimulatedTask(id: "done", files: Self.files),
        SimulatedTask(id: "broke", state: .failed(code: "E42", message: "No audio")),
        SimulatedTask(id: "gone", state: .cancelled),
        SimulatedTask(id: "empty", state: .completed),
      ])
    let bench = try await bench(simulator)
    #expect(try await bench.status("waits").get().state == .pending)
    #expect(try await bench.status("runs").get().progress == .episodes(completed: 12, total: 87))
    #expect(try await bench.status("done").get().state == .completed)
    #expect(try await bench.status("gone").get().state == .cancelled)
    let failed = try await bench.status("broke").get()
    #expect(failed.state == .failed && failed.errorCode == "E42" && failed.errorMessage == "No audio")
    #expect(await bench.status("unknown").failure?.kind == .noSuchTask)
    for (id, kind) in [("unknown", SourceFailure.Kind.noSuchTask), ("runs", .notCompleted), ("empty", .noResults)] {
      let failure = await bench.download(id).failure
      #expect(failure?.kind == kind, "\(id): \(failure?.reason ?? "no failure")")
      #expect(failure?.billing == .notBilled)
    }
    #expect(simulator.counters().total.billedDownloads == 0)
    #expect(simulator.counters().total.delete == 0)
    await bench.shutdown()
    await simulator.stop()
  }

  @Test func aDownloadIsBilledOnceAndEndsProperly() async throws {
    let simulator = APISimulator(tasks: [SimulatedTask(id: "done", files: Self.files)])
    let bench = try await bench(simulator)
    let (bytes, failure) = await drain(try await bench.download("done").get())
    #expect(failure == nil)
    // The end of central directory record, as the last of an archive without comment (APPNOTE 4.3.16).
    #expect(bytes.suffix(22).starts(with: [0x50, 0x4b, 5, 6]))
    #expect(bytes.count > 300_000)
    #expect(simulator.counters().total.billedDownloads == 1)
    #expect(simulator.counters().task("done").download == 1)
    await bench.shutdown()
    await simulator.stop()
  }

  @Test func noBreakOfAStreamBuysTwice() async throws {
    let simulator = APISimulator(tasks: [SimulatedTask(id: "done", files: Self.files)])
    // Only the stall has to run out; the time is long enough for a machine that is busy with other tests.
    let bench = try await bench(simulator, read: .seconds(10))
    let faults: [(Faults, SourceFailure.Kind)] = [
      (.with { $0.closeAfter = 200_000 }, .unreachable), (.with { $0.resetAfter = 200_000 }, .unreachable),
      (.with { $0.stallAfter = 200_000 }, .timedOut),
      (
        .with {
          $0.closeAfter = 200_000
          $0.contentLength = true
        }, .unreachable
      ),
    ]
    for (index, (fault, kind)) in faults.enumerated() {
      simulator.setFaults(fault, kind: .download)
      let (bytes, failure) = await drain(try await bench.download("done").get())
      #expect(failure?.kind == kind)
      #expect(failure?.billing == .unknown)
      // A reset may overtake bytes in the kernel; everything else arrives whole.
      if fault.resetAfter == nil { #expect(bytes.count == 200_000) }
      #expect(simulator.counters().task("done").download == index + 1)
    }
    await bench.shutdown()
    await simulator.stop()
  }

  @Test func faultsThatPassAreOutlived() async throws {
    let simulator = APISimulator(tasks: [SimulatedTask(id: "done", files: Self.files)])
    let bench = try await bench(simulator)
    for fault in [Faults.serverError(503), .tooManyRequests(retryAfter: 2), .with { $0.drop = true }] {
      simulator.setFaults(fault, kind: .status, times: 2)
      #expect(try await bench.status("done").get().state == .completed)
    }
    #expect(simulator.counters().task("done").status == 9)
    simulator.setFaults(.tooManyRequests(), kind: .download, times: 2)
    #expect(await drain(try await bench.download("done").get()).failure == nil)
    #expect(simulator.counters().task("done").download == 3)
    #expect(simulator.counters().total.billedDownloads == 1)
    await bench.shutdown()
    await simulator.stop()
  }

  @Test func faultsThatStayAreNamed() async throws {
    let simulator = APISimulator(tasks: [SimulatedTask(id: "done", files: Self.files)])
    let bench = try await bench(simulator, retries: 1)
    let cases: [(Faults, SourceFailure.Kind, SourceFailure.Billing)] = [
      (.htmlPage, .badAnswer, .unknown), (.emptyBody, .badAnswer, .unknown),
      (.insufficientBalance, .insufficientBalance, .notBilled), (.serverError(500), .badAnswer, .notBilled),
      (.tooManyRequests(), .rateLimited, .notBilled), (.with { $0.drop = true }, .unreachable, .unknown),
    ]
    for (fault, kind, billing) in cases {
      simulator.setFaults(fault)
      #expect(await bench.status("done").failure?.kind == kind)
      let failure = await bench.download("done").failure
      #expect(failure?.kind == kind && failure?.billing == billing, "\(failure?.reason ?? "no failure")")
    }
    await bench.shutdown()
    await simulator.stop()
  }
}
