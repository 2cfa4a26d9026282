import Foundation
import TestSupport
import Testing

@testable import APISimulator

/// The samples, opened by the programs that people open them with.
@Suite struct SampleTaskTests {
  /// Whether a program is in PATH.
  private static func exists(_ program: String) -> Bool {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
      .contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(program)") }
  }

  private static let results = SampleTasks.results(episodes: 4)

  private func file(_ name: String) throws -> SimulatedFile {
    try #require(Self.results.first { $0.name == Array(name.utf8) })
  }

  @Test func oneTaskInEveryState() {
    #expect(
      SampleTasks.all().map { $0.script.state(after: 0).word } == [
        "pending", "running", "completed", "failed", "cancelled",
      ])
    #expect(Set(SampleTasks.all().map(\.id)).count == 5)
  }

  @Test func theRunningOneCompletes() throws {
    let task = try #require(SampleTasks.all(secondsPerEpisode: 2).first { $0.id == SampleTasks.running })
    #expect(task.script.state(after: 2) == .running(completedEpisodes: 13, totalEpisodes: 87))
    #expect(task.script.state(after: 150) == .completed)
    #expect(task.result.originalBytes > 0)
  }

  @Test func theFilesThatThePageLists() {
    let names = Self.results.map { String(decoding: $0.name, as: UTF8.self) }
    #expect(names.contains("namelist.json") && names.contains("merged.xlsx"))
    for suffix in ["_transcript.json", "_storyboard.json", ".xlsx"] {
      #expect(names.filter { $0.hasSuffix(suffix) }.count == (suffix == ".xlsx" ? 5 : 4))
    }
    #expect(names.contains { $0.hasPrefix("第") })
    #expect(Set(names).count == names.count)
  }

  @Test func everyJSONIsJSON() throws {
    for file in Self.results where file.name.suffix(5) == Array(".json".utf8)[...] {
      let value = try JSONSerialization.jsonObject(with: Data(file.bytes(at: 0, count: Int(file.size))))
      #expect(value is [String: Any])
    }
  }

  @Test func theyAreTheSameInEveryRun() {
    #expect(SampleTasks.results(episodes: 4) == Self.results)
  }

  @Test func everySpreadsheetIsASoundZip() async throws {
    let directory = try TemporaryDirectory("xlsx")
    for (index, file) in Self.results.enumerated() where file.name.suffix(5) == Array(".xlsx".utf8)[...] {
      let path = directory.file("\(index).xlsx")
      try Data(file.bytes(at: 0, count: Int(file.size))).write(to: URL(fileURLWithPath: path))
      let python = try await ChildProcess.run(
        "python3",
        [
          "-c",
          """
          import sys, zipfile, xml.dom.minidom
          z = zipfile.ZipFile(sys.argv[1])
          assert z.testzip() is None
          for n in z.namelist(): xml.dom.minidom.parseString(z.read(n))
          print(z.namelist()[0])
          """, path,
        ])
      #expect(python.status == 0, "\(python.errors)")
      #expect(python.lines == ["[Content_Types].xml"])
    }
  }

  @Test(.enabled(if: exists("soffice"), "LibreOffice (soffice) is not installed"))
  func libreOfficeOpensIt() async throws {
    let directory = try TemporaryDirectory("office")
    let merged = try file("merged.xlsx")
    try Data(merged.bytes(at: 0, count: Int(merged.size))).write(
      to: URL(fileURLWithPath: directory.file("merged.xlsx")))
    let office = try await ChildProcess.run(
      "soffice",
      [
        "-env:UserInstallation=file://\(directory.file("profile"))", "--headless", "--convert-to",
        // 44 comma, 34 quotation mark, 76 UTF-8.
        "csv:Text - txt - csv (StarCalc):44,34,76", "--outdir", directory.path, directory.file("merged.xlsx"),
      ], timeout: 200)
    let csv = try String(contentsOfFile: directory.file("merged.csv"), encoding: .utf8)
    let lines = csv.split(separator: "\n")
    #expect(lines.count == 1 + 4 * 12, "\(office.output)\(office.errors)")
    #expect(lines.first == "Episode,Title,Scene,Place,Time,Summary,Characters,Shots,Lines")
    #expect(csv.contains("雨夜的电台"))
  }

  @Test func columnNames() {
    #expect([0, 25, 26, 51, 52, 701, 702].map(Workbook.columnName) == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"])
  }
}
