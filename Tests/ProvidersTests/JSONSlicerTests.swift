import Foundation
import TestSupport
import Testing

@testable import Providers

@Suite struct JSONSlicerTests {
  private func slices(_ text: String, _ key: String = "tasks") -> [String]? {
    let bytes = Array(text.utf8)
    guard case .elements(let ranges)? = JSONSlicer.elements(of: key, in: bytes) else { return nil }
    return ranges.map { String(decoding: bytes[$0], as: UTF8.self) }
  }

  @Test func elementsComeAsTheyWereWritten() {
    #expect(slices(#"{"tasks":[]}"#) == [])
    #expect(
      slices(#" { "tasks" : [ {"a": [1, {"b":"]}"}]} , 2 ,"x\"],", null,[ ] ] } "#)
        == [#"{"a": [1, {"b":"]}"}]}"#, "2", #""x\"],""#, "null", "[ ]"])
    #expect(slices(#"{"other":{"tasks":[1]},"x":"\"tasks\":[2]","tasks":[3]}"#) == ["3"])
    #expect(slices(#"{"t\u0061sks":[1e5]}"#) == ["1e5"])
    #expect(slices(#"{"tasks":[1],"tasks":[2]}"#) == ["1"])
    #expect(slices(#"{"a\\":"\\","tasks":["\\"]}"#) == [#""\\""#])
  }

  @Test func whatIsNotThereIsNamed() {
    #expect(JSONSlicer.elements(of: "tasks", in: Array("{}".utf8)) == .missing)
    #expect(JSONSlicer.elements(of: "tasks", in: Array(#"{"tasks":null}"#.utf8)) == .other)
    #expect(JSONSlicer.elements(of: "tasks", in: Array(#"{"tasks":{"a":[1]}}"#.utf8)) == .other)
  }

  @Test(arguments: [
    "", "[]", "{", #"{"tasks":[}"#, #"{"tasks":[1"#, #"{"tasks":[1}]"#, #"{"tasks":[1,]}"#, #"{"tasks":[,1]}"#,
    #"{"tasks":[1]]}"#, #"{"tasks":[1]}x"#, #"{"tasks":[1 2]}"#, #"{"tasks":["\"]}"#, #"{"tasks" [1]}"#,
    #"{"tasks":[{"a":1]}"#, #"{"a":1 "tasks":[1]}"#, #"{"tasks":["a\"#, #"{tasks:[1]}"#, "{\"tasks\":",
  ]) func brokenTextIsRefused(text: String) {
    #expect(JSONSlicer.elements(of: "tasks", in: Array(text.utf8)) == nil, "\(text)")
  }

  @Test func depthIsNoDanger() {
    let deep = String(repeating: "[", count: 1_000_000) + String(repeating: "]", count: 1_000_000)
    #expect(slices("{\"tasks\":[\(deep)]}")?.first?.utf8.count == 2_000_000)
  }

  /// Random objects with random white space and escapes: each slice is what was put in, byte for byte, and Foundation reads
  /// the same from it.
  @Test func randomTexts() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for round in 0..<300 {
      let elements = (0..<Int.random(in: 0...6, using: &random)).map { _ in Self.value(3, &random) }
      var fields = (0..<Int.random(in: 0...3, using: &random)).map { index in
        "\"k\(index)\"" + Self.space(&random) + ":" + Self.value(3, &random)
      }
      let list = elements.map { Self.space(&random) + $0 + Self.space(&random) }.joined(separator: ",")
      fields.insert(
        "\"tasks\":\(Self.space(&random))[\(list)]", at: Int.random(in: 0...fields.count, using: &random))
      let text = Self.space(&random) + "{" + fields.joined(separator: Self.space(&random) + ",") + "}"
      #expect(slices(text) == elements, "seed \(seed), round \(round): \(text)")
      let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
      #expect((object?["tasks"] as? [Any])?.count == elements.count, "seed \(seed), round \(round): \(text)")
      // Nothing but the whole is accepted.
      let cut = Array(text.utf8.prefix(Int.random(in: 0..<text.utf8.count, using: &random)))
      #expect(JSONSlicer.elements(of: "tasks", in: cut) == nil, "seed \(seed), round \(round), cut: \(text)")
    }
  }

  private static func space(_ random: inout SeededGenerator) -> String {
    ["", "", " ", "\n", "\t \r\n"].randomElement(using: &random) ?? ""
  }

  private static func value(_ depth: Int, _ random: inout SeededGenerator) -> String {
    let inside = { (random: inout SeededGenerator) in
      (0..<Int.random(in: 0...3, using: &random)).map { _ in value(depth - 1, &random) }
    }
    switch Int.random(in: depth > 0 ? 0...6 : 2...6, using: &random) {
    case 0: return "[" + inside(&random).joined(separator: space(&random) + "," + space(&random)) + "]"
    case 1:
      let fields = inside(&random).enumerated().map { "\"\($0.offset)\\\"]\":\($0.element)" }
      return "{" + fields.joined(separator: ",") + space(&random) + "}"
    case 2: return ["true", "false", "null"].randomElement(using: &random) ?? "null"
    case 3: return "\(Int.random(in: -1000...1000, using: &random))"
    case 4: return "\(Int.random(in: 0...99, using: &random)).5e-3"
    default:
      let parts = ["a", "ü", "名", "\\\"", "\\\\", "]", "}", "{", "[", ",", ":", "\\u00e9", "\\n", " ", "/"]
      let text = (0..<Int.random(in: 0...8, using: &random)).map { _ in parts.randomElement(using: &random) ?? "" }
      return "\"" + text.joined() + "\""
    }
  }
}
