import Testing

@testable import APISimulator

@Suite struct StorePacerTests {
  private func steps(_ faults: Faults, length: Int64, bytesPerSecond: Int? = nil) -> [StorePacer.Step] {
    var pacer = StorePacer(faults, length: length, bytesPerSecond: bytesPerSecond)
    var steps: [StorePacer.Step] = []
    while let step = pacer.next(), steps.count < 1_000 { steps.append(step) }
    return steps
  }

  private func sent(_ steps: [StorePacer.Step]) -> Int64 {
    steps.reduce(0) { if case .send(let count) = $1 { $0 + count } else { $0 } }
  }

  @Test func nothingWrong() {
    #expect(steps(Faults(), length: 0) == [])
    #expect(steps(Faults(), length: 65_536) == [.send(65_536)])
    #expect(steps(Faults(), length: 65_537) == [.send(1), .send(65_536)])
    #expect(steps(Faults(), length: 3_000_000) == [.send(1_048_576), .send(1_048_576), .send(837_312), .send(65_536)])
  }

  @Test func marksInTheirOrder() {
    let faults = Faults.with {
      $0.expireAfter = 5
      $0.nextVersionAfter = 5
      $0.holdAfter = 0
      $0.stallAfter = 7
      $0.stallSeconds = 2
      $0.closeAfter = 9
    }
    #expect(
      steps(faults, length: 100).prefix(8) == [
        .hold, .send(5), .nextVersion(tears: false), .expire, .send(2), .sleep(seconds: 2), .send(2), .close,
      ])
  }

  @Test func aMarkAtTheVeryEnd() {
    #expect(steps(.with { $0.resetAfter = 10 }, length: 10) == [.send(10), .reset])
    #expect(steps(.with { $0.resetAfter = 11 }, length: 10) == [.send(10)])
  }

  @Test func theSlowerPaceHolds() {
    let steps = steps(.with { $0.bytesPerSecond = 40 }, length: 5, bytesPerSecond: 1_000)
    #expect(
      steps == [.send(2), .pause(until: 0.05), .send(2), .pause(until: 0.1), .send(1), .pause(until: 0.125)])
  }

  @Test func theByteToFlipStandsAlone() {
    #expect(steps(.with { $0.flipBitAt = 3 }, length: 10) == [.send(3), .send(1), .send(6)])
  }

  @Test func whatIsLast() {
    var pacer = StorePacer(.with { $0.closeAfter = 4 }, length: 100_000, bytesPerSecond: nil)
    #expect(pacer.next() == .send(4))
    #expect(pacer.isLastPiece)
    #expect(!pacer.isComplete)
    var whole = StorePacer(Faults(), length: 100_000, bytesPerSecond: nil)
    #expect(whole.next() == .send(34_464))
    #expect(!whole.isLastPiece)
    #expect(whole.next() == .send(65_536))
    #expect(whole.isLastPiece && whole.isComplete)
  }
}

@Suite struct RangeRequestTests {
  @Test func forms() {
    #expect(RangeRequest("bytes=0-9") == .from(0, last: 9))
    #expect(RangeRequest("Bytes=5-") == .from(5, last: nil))
    #expect(RangeRequest("bytes=-7") == .suffix(7))
    for text in [nil, "", "bytes", "items=0-9", "bytes=", "bytes=-", "bytes=9-0", "bytes=0-1,3-4", "bytes=+1-2"] {
      #expect(RangeRequest(text) == nil)
    }
  }

  @Test func withinASize() {
    #expect(RangeRequest.from(0, last: 9).range(of: 5) == 0..<5)
    #expect(RangeRequest.from(4, last: nil).range(of: 5) == 4..<5)
    #expect(RangeRequest.from(5, last: nil).range(of: 5) == nil)
    #expect(RangeRequest.suffix(7).range(of: 5) == 0..<5)
    #expect(RangeRequest.suffix(1).range(of: 0) == nil)
  }
}

@Suite struct PackageTallyTests {
  @Test func repetitionsAreCountedByVersion() {
    var tally = PackageTally()
    for (number, (version, offset, count)) in [(1, 0, 100), (1, 50, 100), (1, 50, 10), (2, 0, 30)].enumerated() {
      tally.begin(number, version: version, offset: Int64(offset))
      tally.add(Int64(count), to: number)
    }
    #expect(tally.bytesSent == 240)
    #expect(tally.bytesSentTwice == 60)
    tally.add(-90, to: 1)
    #expect(tally.bytesSentTwice == 20)
  }
}

@Suite struct MomentTests {
  @Test func forms() {
    let moment = Moment(784_111_777.9)
    #expect(moment.http == "Sun, 06 Nov 1994 08:49:37 GMT")
    #expect(moment.iso == "1994-11-06T08:49:37Z")
    #expect(moment.compact == "19941106T084937Z")
  }
}

@Suite struct PixxelRouteTests {
  @Test func routes() {
    func route(_ method: String, _ path: String) -> PixxelRoute? {
      if case .pixxel(let route) = Route(method: method, path: path) { route } else { nil }
    }
    #expect(route("GET", "/v0/workflows")?.kind == .workflows)
    #expect(route("GET", "/v0/workflows/w/jobs")?.kind == .jobs)
    #expect(route("GET", "/v0/workflows/w/jobs/j")?.key == "w/j")
    let put = route("PUT", "/v0/workflows/w%20x/jobs/j/tasks/t/download")
    #expect(put?.kind == .put)
    #expect(put?.key == "w x/j/t")
    #expect(route("PUT", "/v0/workflows/w/jobs/j/download")?.kind == .putJob)
    #expect(route("DELETE", "/v0/workflows/w/jobs/j/tasks/t")?.kind == .delete)
    #expect(route("GET", "/v0/workflows/w/jobs/j/tasks/t/download")?.kind == .other)
    #expect(route("GET", "/v1/workflows") == nil)
  }

  @Test func queries() {
    #expect(Route.query("/a?x=1&y=a%20b&z&x=2") == ["x": "2", "y": "a b", "z": ""])
    #expect(Route.query("/a").isEmpty)
    #expect(Route.encoded("a b/ü~") == "a%20b%2F%C3%BC~")
  }
}
