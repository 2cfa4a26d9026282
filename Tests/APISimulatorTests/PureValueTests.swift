import Testing

@testable import APISimulator

@Suite struct TaskScriptTests {
  @Test func progress() {
    let script = TaskScript.progressing(fromEpisode: 12, totalEpisodes: 87, secondsPerEpisode: 2)
    #expect(script.state(after: 0) == .running(completedEpisodes: 12, totalEpisodes: 87))
    #expect(script.state(after: 1.9) == .running(completedEpisodes: 12, totalEpisodes: 87))
    #expect(script.state(after: 2) == .running(completedEpisodes: 13, totalEpisodes: 87))
    #expect(script.state(after: 149.9) == .running(completedEpisodes: 86, totalEpisodes: 87))
    #expect(script.state(after: 150) == .completed)
    #expect(script.state(after: 1e9) == .completed)
  }

  @Test func phases() {
    let script = TaskScript([
      .hold(.pending, seconds: 5), .progress(fromEpisode: 0, totalEpisodes: 2, secondsPerEpisode: 1),
      .hold(.failed(code: "E", message: "m"), seconds: 1),
    ])
    #expect(script.state(after: -1) == .pending)
    #expect(script.state(after: 4.9) == .pending)
    #expect(script.state(after: 5) == .running(completedEpisodes: 0, totalEpisodes: 2))
    #expect(script.state(after: 7) == .failed(code: "E", message: "m"))
    #expect(script.state(after: 100) == .failed(code: "E", message: "m"))
  }
}

@Suite struct DuplicateNameTests {
  private func renamed(_ names: [String]) -> [String] {
    TaskResult.renamingDuplicates(names.map { SimulatedFile(path: $0, bytes: []) })
      .map { String(decoding: $0.name, as: UTF8.self) }
  }

  @Test func suffixes() {
    #expect(renamed(["file.json", "file.json", "file.json"]) == ["file.json", "file_1.json", "file_2.json"])
    #expect(
      renamed(["a/b.c", "x/b.c", "a/b.c", "README", "README"]) == ["a/b.c", "x/b.c", "a/b_1.c", "README", "README_1"])
  }

  @Test func aSuffixNeverTakesAnotherFilesName() {
    #expect(renamed(["f.x", "f.x", "f_1.x"]) == ["f.x", "f_2.x", "f_1.x"])
  }
}

@Suite struct RouteTests {
  @Test func routes() {
    let base = "/serve/api/v2/screenplay/tasks"
    #expect(Route(method: "GET", path: "\(base)/a") == .status("a"))
    #expect(Route(method: "GET", path: "\(base)/a%20%E4%B8%AD/download") == .download("a 中"))
    #expect(Route(method: "DELETE", path: "\(base)/a") == .delete("a"))
    #expect(Route(method: "POST", path: "\(base)/a") == .other)
    #expect(Route(method: "DELETE", path: "\(base)/a/download") == .other)
    #expect(Route(method: "GET", path: base) == .other)
    #expect(Route(method: "GET", path: "/screenplay/tasks/a") == .other)
    #expect(Route(method: "GET", path: "/_simulator/counters") == .administration(["counters"]))
    #expect(Route.decoded("100%") == "100%")
    #expect(Route.decoded("%zz%41") == "%zzA")
  }
}

@Suite struct BodyPacerTests {
  private func sent(_ steps: [BodyPacer.Step]) -> [UInt8] {
    steps.flatMap { if case .send(let bytes) = $0 { bytes } else { [UInt8]() } }
  }

  @Test func nothingWrongIsOneStep() {
    var pacer = BodyPacer(Faults())
    #expect(pacer.steps(for: [1, 2, 3]) == [.send([1, 2, 3])])
    #expect(pacer.steps(for: []) == [])
  }

  @Test func marksAreFoundAcrossPieces() {
    var pacer = BodyPacer(.with { $0.closeAfter = 4 })
    #expect(pacer.steps(for: [1, 2, 3]) == [.send([1, 2, 3])])
    #expect(pacer.steps(for: [4, 5]) == [.send([4]), .close])
  }

  @Test func atTheVeryStart() {
    var pacer = BodyPacer(.with { $0.resetAfter = 0 })
    #expect(pacer.steps(for: []) == [.reset])
  }

  @Test func aTimedStallGoesOn() {
    var pacer = BodyPacer(
      .with {
        $0.stallAfter = 1
        $0.stallSeconds = 9
        $0.endAfter = 2
      })
    #expect(pacer.steps(for: [1, 2, 3]) == [.send([1]), .sleep(seconds: 9), .send([2]), .end])
  }

  @Test func paceKeepsEveryByte() {
    var pacer = BodyPacer(
      .with {
        $0.bytesPerSecond = 40
        $0.flipBitAt = 3
      })
    let steps = pacer.steps(for: [0, 0, 0, 0, 0])
    #expect(sent(steps) == [0, 0, 0, 1, 0])
    #expect(steps.filter { $0 == .sleep(seconds: 0.05) }.count == 2)
    #expect(steps.last == .sleep(seconds: 0.025))
  }
}

@Suite struct GeneratedContentTests {
  @Test func isTheSameAtAnyOffset() {
    for texture in [GeneratedContent.Texture.noise, .text] {
      let content = GeneratedContent(seed: 42, size: 150_001, texture: texture)
      let whole = content.bytes(at: 0, count: 1_000_000)
      #expect(whole.count == 150_001)
      for (offset, count) in [(0, 1), (5, 40), (65_530, 20), (65_536, 65_536), (150_000, 9), (150_001, 9)] {
        let end = min(offset + count, whole.count)
        #expect(content.bytes(at: Int64(offset), count: count) == Array(whole[offset..<max(end, offset)]))
      }
      #expect(Array(whole[..<65_536]) != Array(whole[65_536..<131_072]))
    }
  }

  @Test func seedsDiffer() {
    let (one, two) = (GeneratedContent(seed: 1, size: 100), GeneratedContent(seed: 2, size: 100))
    #expect(one.bytes(at: 0, count: 100) != two.bytes(at: 0, count: 100))
  }
}

@Suite struct JSONTextTests {
  @Test func text() {
    let value = JSONText.object([
      ("b", .string("a\"\\\n\u{1}中")), ("a", .array([.null, .bool(true), .int(-1), .double(0.5)])),
    ])
    #expect(value.text == #"{"b":"a\"\\\n\u0001中","a":[null,true,-1,0.5]}"#)
    #expect(
      JSONText.object([("a", .array([.int(1)])), ("b", .object([]))]).indented()
        == "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}")
  }
}
