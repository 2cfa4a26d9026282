import Testing

@testable import APISimulator

/// Every fault of the store as a client meets it, through curl.
@Suite struct StoreFaultTests {
  private static let bytes = GeneratedContent(seed: 6, size: 400_000).bytes(at: 0, count: 400_000)
  private static let key = "w/j/t"

  /// A request under these faults, and what the simulator knows afterwards.
  private func get(
    _ faults: Faults, range: String? = nil, _ check: (CurlAnswer, APISimulator) async throws -> Void
  ) async throws {
    try await withPackage(.bytes(Self.bytes)) { simulator, url in
      simulator.setFaults(faults, kind: .get)
      let curl = range.map { Curl.range($0) } ?? Curl.keyless
      try await check(try await curl.get(url), simulator)
    }
  }

  private func differs(_ body: [UInt8], _ range: Range<Int>) -> Int? { difference(body, Array(Self.bytes[range])) }

  // MARK: Ranges

  @Test func ignoredRanges() async throws {
    for range in ["100-199", "-100"] {
      try await get(.with { $0.range = .ignored }, range: range) { answer, simulator in
        #expect(answer.status == 200)
        #expect(answer.headers["accept-ranges"] == nil)
        #expect(differs(answer.body, 0..<400_000) == nil)
        #expect(simulator.counters().package(Self.key).bytesSent == 400_000)
      }
    }
    try await get(.with { $0.range = .suffixIgnored }, range: "-100") { answer, _ in
      #expect(answer.status == 200)
      #expect(answer.body.count == 400_000)
    }
    try await get(.with { $0.range = .suffixIgnored }, range: "100-199") { answer, _ in
      #expect(answer.status == 206)
    }
  }

  @Test(
    arguments: [
      (RangeFault.shifted, "bytes 101-200/400000" as String?, 100..<200),
      (.wrongTotal, "bytes 100-199/400001", 100..<200),
      (.unknownTotal, "bytes 100-199/*", 100..<200), (.shorter, "bytes 100-149/400000", 100..<150),
      (.noContentRange, nil, 100..<200),
    ])
  func otherContentRanges(fault: RangeFault, header: String?, body: Range<Int>) async throws {
    try await get(.with { $0.range = fault }, range: "100-199") { answer, _ in
      #expect(answer.status == 206)
      #expect(answer.headers["content-range"] == header)
      #expect(differs(answer.body, body) == nil)
    }
  }

  @Test func multipart() async throws {
    try await get(.with { $0.range = .multipart }, range: "100-199") { answer, _ in
      #expect(answer.status == 206)
      #expect(answer.headers["content-type"]?.hasPrefix("multipart/byteranges; boundary=") == true)
      #expect(answer.headers["content-range"] == nil)
      let head = String(decoding: answer.body.prefix(200), as: UTF8.self)
      #expect(head.contains("Content-Range: bytes 100-199/400000"))
    }
  }

  @Test func validators() async throws {
    let expected: [(ValidatorFault?, etag: String?, modified: Bool)] = [
      (nil, "\"", true), (.weak, "W/\"", true), (.noETag, nil, true), (.noLastModified, "\"", false),
      (.neither, nil, false),
    ]
    for (fault, etag, modified) in expected {
      try await get(.with { $0.validators = fault }) { answer, _ in
        #expect(etag.map { answer.headers["etag"]?.hasPrefix($0) ?? false } ?? (answer.headers["etag"] == nil))
        #expect((answer.headers["last-modified"] != nil) == modified)
      }
    }
  }

  // MARK: Versions and addresses

  @Test func theVersionChangesBeforeAnAnswer() async throws {
    try await withPackage(.bytes(Self.bytes)) { simulator, url in
      let first = try await Curl.keyless.get(url)
      simulator.setFaults(.with { $0.nextVersion = true }, times: 1)
      let second = try await Curl.keyless.get(url)
      let third = try await Curl.keyless.get(url)
      #expect(first.headers["etag"] != second.headers["etag"])
      #expect(second.headers["etag"] == third.headers["etag"])
    }
  }

  @Test(arguments: [false, true]) func theVersionChangesWithinAnAnswer(tears: Bool) async throws {
    let other = [UInt8](repeating: 7, count: 400_000)
    let package = SimulatedPackage.bytes(Self.bytes).with { $0.nextVersions = [.bytes(other)] }
    try await withPackage(package) { simulator, url in
      simulator.setFaults(
        .with {
          $0.nextVersionAfter = 150_000
          $0.tears = tears
        }, times: 1)
      let answer = try await Curl.keyless.get(url)
      #expect(answer.exit == 0)
      let expected = tears ? Self.bytes[..<150_000] + other[150_000...] : Self.bytes[...]
      #expect(difference(answer.body, Array(expected)) == nil)
      let runs = simulator.counters().package(Self.key).runs
      #expect(runs.map(\.count) == (tears ? [150_000, 250_000] : [400_000]))
      #expect(runs.map(\.version) == (tears ? [1, 2] : [1]))
      let after = try await Curl.keyless.get(url)
      #expect(difference(after.body, other) == nil)
    }
  }

  @Test func anAddressExpiresInMidDownload() async throws {
    let faults = Faults.with {
      $0.expireAfter = 100_000
      $0.resetAfter = 100_000
    }
    try await get(faults) { answer, simulator in
      #expect(answer.exit == 56)
      #expect(differs(answer.body, 0..<100_000) == nil)
      simulator.clearFaults()
      let url = simulator.storeEndpoint + (simulator.requests().last?.path ?? "")
      let after = try await Curl.keyless.get(url)
      #expect(after.status == 403)
      #expect(after.text.contains("Request has expired"))
    }
  }

  @Test func otherFailures() async throws {
    for (faults, status, code) in [
      (Faults.tooManyRequests(retryAfter: 4), 429, "SlowDown"), (.serverError(503), 503, "SlowDown"),
      (.serverError(500), 500, "InternalError"), (.expired, 403, "AccessDenied"),
    ] {
      try await get(faults) { answer, simulator in
        #expect(answer.status == status)
        #expect(answer.headers["retry-after"] == (status == 429 ? "4" : nil))
        #expect(answer.headers["content-type"] == "application/xml")
        #expect(answer.text.contains("<Code>\(code)</Code>"))
        #expect(simulator.counters().package(Self.key).bytesSent == 0)
      }
    }
  }

  @Test func redirectsToAnotherHost() async throws {
    try await withPackage(.bytes(Self.bytes)) { simulator, url in
      simulator.setFaults(.with { $0.redirectHost = "localhost:\(simulator.storePort)" })
      // curl leaves the key out for another host, unless it is told to trust it.
      for option in ["--location", "--location-trusted"] {
        var curl = Curl(key: "sk-secret")
        curl.options = [option]
        let answer = try await curl.get(url)
        #expect(answer.status == 200)
        #expect(differs(answer.body, 0..<400_000) == nil)
      }
      let requests = simulator.requests()
      #expect(requests.map(\.status) == [307, 200, 307, 200])
      #expect(requests.map { $0.host?.hasPrefix("localhost") } == [false, true, false, true])
      #expect(requests.map(\.authorization) == ["sk-secret", nil, "sk-secret", "sk-secret"])
    }
  }

  // MARK: How it is sent

  @Test(arguments: [0, 1, 65_536, 100_000, 399_999, 400_000]) func reset(bytes: Int64) async throws {
    try await get(.with { $0.resetAfter = bytes }) { answer, simulator in
      // 56: failure in receiving, which is the reset. Who has it all doesn't see it any more.
      #expect(answer.exit == (bytes == 400_000 ? 0 : 56))
      #expect(differs(answer.body, 0..<Int(bytes)) == nil)
      #expect(simulator.counters().package(Self.key).bytesSent == bytes)
      let recorded = try await eventually { simulator.requests().last?.completed == false }
      #expect(recorded)
    }
  }

  @Test func aResetAtEvery64KB() async throws {
    try await withPackage(.bytes(Self.bytes)) { simulator, url in
      simulator.setFaults(.with { $0.resetAfter = 65_536 }, kind: .get)
      var body: [UInt8] = []
      var requests = 0
      while body.count < Self.bytes.count {
        body += try await Curl.range("\(body.count)-").get(url).body
        requests += 1
      }
      #expect(difference(body, Self.bytes) == nil)
      #expect(requests == 7)
      #expect(simulator.counters().package(Self.key).bytesSentTwice == 0)
    }
  }

  @Test func closeAndEndTooEarly() async throws {
    try await get(.with { $0.closeAfter = 100_000 }) { answer, simulator in
      #expect(answer.exit == 18)
      #expect(differs(answer.body, 0..<100_000) == nil)
      #expect(simulator.requests().last?.completed == false)
    }
    try await get(.with { $0.endAfter = 100_000 }) { answer, _ in
      #expect(answer.exit == 0)
      #expect(answer.headers["content-length"] == "100000")
      #expect(differs(answer.body, 0..<100_000) == nil)
    }
  }

  @Test func chunked() async throws {
    try await get(.with { $0.contentLength = false }) { answer, simulator in
      #expect(answer.exit == 0)
      #expect(answer.headers["transfer-encoding"] == "chunked")
      #expect(answer.headers["content-length"] == nil)
      #expect(differs(answer.body, 0..<400_000) == nil)
      #expect(simulator.counters().package(Self.key).bytesSent == 400_000)
    }
    let faults = Faults.with {
      $0.contentLength = false
      $0.closeAfter = 100_000
    }
    try await get(faults) { answer, _ in
      #expect(answer.exit == 18)
      #expect(differs(answer.body, 0..<100_000) == nil)
    }
  }

  @Test func flippedBit() async throws {
    try await get(.with { $0.flipBitAt = 70_000 }, range: "100-") { answer, _ in
      let different = zip(answer.body, Self.bytes.dropFirst(100)).enumerated().filter { $0.element.0 != $0.element.1 }
      #expect(answer.body.count == 399_900)
      #expect(different.map(\.offset) == [70_000])
    }
  }

  @Test func slowly() async throws {
    try await get(.with { $0.bytesPerSecond = 400_000 }) { answer, _ in
      #expect(answer.total >= 0.9)
      #expect(differs(answer.body, 0..<400_000) == nil)
    }
    try await get(.with { $0.delay = 0.6 }) { answer, _ in #expect(answer.firstByte >= 0.6) }
    try await withPackage(
      .bytes(Self.bytes),
      configure: {
        $0.store.latency = 0.5
        $0.store.bytesPerSecond = 800_000
      }
    ) { _, url in
      let answer = try await Curl.keyless.get(url)
      #expect(answer.firstByte >= 0.5)
      #expect(answer.total >= 0.95)
    }
  }

  @Test func stallAndDrop() async throws {
    try await withPackage(.bytes(Self.bytes)) { simulator, url in
      simulator.setFaults(.with { $0.stallAfter = 100_000 })
      let request = try await Curl.keyless.begin("GET", url)
      let arrived = try await eventually { request.received == 100_000 }
      #expect(arrived)
      #expect(request.isRunning)
      #expect(simulator.counters().package(Self.key).bytesSent == 100_000)
      await simulator.stop()
      let answer = await request.answer()
      #expect(answer.exit == 18)
      #expect(differs(answer.body, 0..<100_000) == nil)
      #expect(simulator.requests().last?.completed == false)
    }
    try await get(.with { $0.drop = true }) { answer, _ in #expect(answer.exit == 52) }
  }

  @Test func heldUntilReleased() async throws {
    try await withPackage(.bytes(Self.bytes)) { simulator, url in
      simulator.setFaults([
        FaultRule(.with { $0.holdAfter = 50_000 }, kind: .get, times: 1), FaultRule(.with { $0.hold = true }),
      ])
      let first = try await Curl.keyless.begin("GET", url)
      let isHeld = try await eventually { first.received == 50_000 && simulator.heldAnswers == 1 }
      #expect(isHeld)
      // One at the store and one at the API.
      let second = try await Curl.keyless.begin("GET", url)
      let third = try await Curl().begin("GET", simulator.pixxelURL(""))
      let areHeld = try await eventually { simulator.heldAnswers == 3 }
      #expect(areHeld)
      #expect(second.received == 0)
      simulator.release()
      let answers = [await first.answer(), await second.answer(), await third.answer()]
      #expect(answers.map(\.exit) == [0, 0, 0])
      #expect(differs(answers[0].body, 0..<400_000) == nil)
      #expect(answers[2].text.hasPrefix("{\"workflows\""))
    }
  }

  @Test func stoppingEndsWhatIsHeld() async throws {
    try await withPackage(.bytes(Self.bytes)) { simulator, url in
      simulator.setFaults(.with { $0.hold = true })
      let store = try await Curl.keyless.begin("GET", url)
      let api = try await Curl().begin("GET", simulator.pixxelURL(""))
      let areHeld = try await eventually { simulator.heldAnswers == 2 }
      #expect(areHeld)
      await simulator.stop()
      let answers = [await store.answer(), await api.answer()]
      #expect(answers.map(\.exit) == [52, 52])
      #expect(simulator.heldAnswers == 0)
    }
  }

  @Test func aReaderWhoLeavesIsCountedForWhatItTook() async throws {
    // Larger than any buffer between the two.
    let file = SimulatedFile(
      name: Array("noise".utf8), content: .generated(GeneratedContent(seed: 9, size: 64_000_000)), method: .stored)
    try await withPackage(.zip([file])) { simulator, url in
      simulator.setFaults(.with { $0.bytesPerSecond = 20_000_000 })
      let request = try await Curl.keyless.begin("GET", url)
      let arrived = try await eventually { request.received > 2_000_000 }
      #expect(arrived)
      request.kill()
      _ = await request.answer()
      let ended = try await eventually { simulator.requests().last?.completed == false }
      #expect(ended)
      let sent = simulator.counters().package(Self.key).bytesSent
      #expect(sent > 2_000_000 && sent < 60_000_000)
      #expect(simulator.requests().last?.bytesSent == sent)
      #expect(simulator.counters().total.bytesSent == sent)
    }
  }
}
