import Testing

@testable import APISimulator

/// Every fault as a client meets it, through curl.
@Suite struct FaultTests {
  private static let size: Int64 = 400_000
  private static let file = SimulatedFile(
    name: Array("noise.bin".utf8), content: .generated(GeneratedContent(seed: 3, size: size)), method: .stored)
  private static let task = SimulatedTask(id: "t", files: [file])
  private static let whole = ZipStream.bytes([file], style: .streamed)

  /// A download under these faults, and the counters afterwards.
  private func download(
    _ faults: Faults, _ check: (CurlAnswer, APISimulator) async throws -> Void
  ) async throws {
    try await withSimulator([Self.task]) { simulator in
      simulator.setFaults(faults)
      try await check(try await Curl().get(simulator.downloadURL("t")), simulator)
    }
  }

  /// Where a body differs from the first bytes of the whole zip.
  private func differs(_ body: [UInt8], _ count: Int = Self.whole.count) -> Int? {
    difference(body, Array(Self.whole.prefix(count)))
  }

  @Test(arguments: [nil, 7]) func tooManyRequestsAndThenNoMore(retryAfter: Int?) async throws {
    try await withSimulator([Self.task]) { simulator in
      simulator.setFaults(.tooManyRequests(retryAfter: retryAfter), times: 2)
      for _ in 0..<2 {
        let answer = try await Curl().get(simulator.statusURL("t"))
        #expect(answer.status == 429)
        #expect(answer.headers["retry-after"] == retryAfter.map(String.init))
        #expect(answer.text.hasPrefix(#"{"code":429,"#))
      }
      let answer = try await Curl().get(simulator.statusURL("t"))
      #expect(answer.status == 200)
    }
  }

  @Test func rulesStrikeWhatTheySay() async throws {
    try await withSimulator([Self.task, SimulatedTask(id: "u", state: .pending)]) { simulator in
      simulator.setFaults([
        FaultRule(.serverError(503), task: "t", kind: .download), FaultRule(.serverError(500), task: "u"),
      ])
      let (free, struck) = (
        try await Curl().get(simulator.statusURL("t")), try await Curl().get(simulator.downloadURL("t"))
      )
      let other = try await Curl().get(simulator.statusURL("u"))
      #expect([free.status, struck.status, other.status] == [200, 503, 500])
      #expect(simulator.counters().total.billedMicroDollars == 0)
      simulator.clearFaults()
      let after = try await Curl().get(simulator.downloadURL("t"))
      #expect(differs(after.body) == nil)
    }
  }

  @Test func failureInsideOK() async throws {
    try await download(.failureInsideOK("Something else.", code: 4_711)) { answer, simulator in
      #expect(answer.status == 200)
      #expect(answer.headers["content-type"] == "application/json")
      #expect(answer.text == #"{"code":4711,"msg":"Something else.","data":null,"failed":true,"success":false}"#)
      #expect(simulator.counters().total.billedDownloads == 0)
    }
    try await download(
      .with {
        $0.message = "m"
        $0.codeText = "4001"
      }
    ) { answer, _ in
      #expect(answer.text.hasPrefix(#"{"code":"4001","#))
    }
  }

  @Test func insufficientBalance() async throws {
    try await download(.insufficientBalance) { answer, _ in
      #expect(answer.status == 402)
      #expect(answer.text.contains(#""code":402,"msg":"Insufficient balance to download the resource."#))
    }
  }

  @Test func htmlAndEmptyAndWrongType() async throws {
    try await download(.htmlPage) { answer, _ in
      #expect(answer.status == 200)
      #expect(answer.headers["content-type"] == "text/html; charset=utf-8")
      #expect(answer.text.hasPrefix("<!DOCTYPE html>"))
    }
    try await download(.emptyBody) { answer, simulator in
      #expect(answer.status == 200)
      #expect(answer.body.isEmpty)
      #expect(simulator.counters().total.billedDownloads == 0)
    }
    try await download(.with { $0.contentType = "application/octet-stream" }) { answer, _ in
      #expect(answer.headers["content-type"] == "application/octet-stream")
      #expect(differs(answer.body) == nil)
    }
  }

  @Test func redirect() async throws {
    try await download(.redirect(to: "http://127.0.0.1:9/elsewhere", status: 307)) { answer, _ in
      #expect(answer.status == 307)
      #expect(answer.headers["location"] == "http://127.0.0.1:9/elsewhere")
    }
  }

  @Test func contentLengthOrChunked() async throws {
    try await download(.with { $0.contentLength = true }) { answer, _ in
      #expect(answer.headers["content-length"] == String(Self.whole.count))
      #expect(answer.headers["transfer-encoding"] == nil)
      #expect(differs(answer.body) == nil)
    }
    try await withSimulator([Self.task]) { simulator in
      simulator.setFaults(.with { $0.contentLength = false })
      let answer = try await Curl().get(simulator.statusURL("t"))
      #expect(answer.headers["transfer-encoding"] == "chunked")
      #expect(answer.text.contains("completed"))
    }
  }

  @Test func delayBeforeTheFirstByte() async throws {
    try await download(.with { $0.delay = 0.7 }) { answer, _ in
      #expect(answer.firstByte >= 0.7)
      #expect(differs(answer.body) == nil)
    }
  }

  @Test func hangAndDrop() async throws {
    try await withSimulator([Self.task]) { simulator in
      simulator.setFaults(.with { $0.hang = true })
      let request = try await Curl().begin("GET", simulator.downloadURL("t"))
      let arrived = try await eventually { simulator.counters().task("t").download == 1 }
      #expect(arrived)
      try await Task.sleep(for: .milliseconds(300))
      #expect(request.isRunning)
      #expect(simulator.requests().first?.status == nil)
      await simulator.stop()
      // Closed without an answer, and not answered with one made up for a handler that was cancelled.
      let answer = await request.answer()
      #expect(answer.exit == 52)
      #expect(answer.status == 0)
      #expect(simulator.counters().task("t").billedDownloads == 0)
    }
    try await download(.with { $0.drop = true }) { answer, _ in
      // 52: the server closed the connection without an answer.
      #expect(answer.exit == 52)
    }
  }

  @Test func stall() async throws {
    try await withSimulator([Self.task]) { simulator in
      simulator.setFaults(.with { $0.stallAfter = 100_000 })
      let request = try await Curl().begin("GET", simulator.downloadURL("t"))
      let arrived = try await eventually { request.received == 100_000 }
      #expect(arrived)
      try await Task.sleep(for: .milliseconds(300))
      #expect(request.isRunning)
      #expect(simulator.counters().total.billedMicroDollars == 48)
      // Stopping cuts the connection, without the last chunk.
      await simulator.stop()
      let answer = await request.answer()
      #expect(answer.exit == 18)
      #expect(differs(answer.body, 100_000) == nil)
    }
    try await download(
      .with {
        $0.stallAfter = 100_000
        $0.stallSeconds = 0.6
      }
    ) { answer, _ in
      #expect(answer.total >= 0.6)
      #expect(differs(answer.body) == nil)
    }
  }

  @Test func slowly() async throws {
    try await download(.with { $0.bytesPerSecond = 400_000 }) { answer, _ in
      #expect(answer.total >= 0.9)
      #expect(differs(answer.body) == nil)
    }
  }

  @Test(arguments: [0, 1, 100_000, 333_333]) func reset(bytes: Int64) async throws {
    try await download(.with { $0.resetAfter = bytes }) { answer, simulator in
      // 56: failure in receiving, which is the reset.
      #expect(answer.exit == 56)
      #expect(differs(answer.body, Int(bytes)) == nil)
      let recorded = try await eventually { simulator.requests().last?.completed == false }
      #expect(recorded)
      #expect(simulator.counters().total.billedMicroDollars == 48)
    }
  }

  @Test(arguments: [true, false]) func closeWithoutTheLastChunk(contentLength: Bool) async throws {
    let faults = Faults.with {
      $0.closeAfter = 100_000
      $0.contentLength = contentLength
    }
    try await download(faults) { answer, _ in
      // 18: less than announced; for a chunked body, older curls say so too.
      #expect(answer.exit == 18)
      #expect(differs(answer.body, 100_000) == nil)
    }
  }

  @Test(arguments: [true, false]) func properEndTooEarly(contentLength: Bool) async throws {
    let faults = Faults.with {
      $0.endAfter = 100_000
      $0.contentLength = contentLength
    }
    try await download(faults) { answer, _ in
      #expect(answer.exit == 0)
      #expect(answer.status == 200)
      #expect(differs(answer.body, 100_000) == nil)
    }
  }

  @Test func flippedBit() async throws {
    try await download(.with { $0.flipBitAt = 70_000 }) { answer, _ in
      let different = zip(answer.body, Self.whole).enumerated().filter { $0.element.0 != $0.element.1 }
      #expect(answer.body.count == Self.whole.count)
      #expect(different.map(\.offset) == [70_000])
      #expect(answer.body.count > 70_000 && answer.body[70_000] == Self.whole[70_000] ^ 1)
    }
  }

  @Test func chargedAtTheEnd() async throws {
    try await withSimulator([Self.task], configure: { $0.pricing.chargedAt = .end }) { simulator in
      simulator.setFaults(.with { $0.closeAfter = 1 }, times: 1)
      _ = try await Curl().get(simulator.downloadURL("t"))
      #expect(simulator.counters().total.billedMicroDollars == 0)
      _ = try await Curl().get(simulator.downloadURL("t"))
      #expect(simulator.counters().total.billedMicroDollars == 48)
    }
  }
}
