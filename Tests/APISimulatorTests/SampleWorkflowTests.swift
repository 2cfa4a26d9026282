import Foundation
import TestSupport
import Testing

@testable import APISimulator

/// The Pixxel samples, opened by the programs that people open them with.
@Suite struct SampleWorkflowTests {
  @Test func everyStateAndARepeatedName() {
    let workflows = SampleTasks.workflows
    let tasks = workflows.flatMap(\.jobs).flatMap(\.tasks)
    let words = Set(tasks.map { $0.script.state(after: 0).word })
    #expect(words == ["pending", "running", "completed", "failed"])
    #expect(workflows.count == 2)
    #expect(Set(workflows[0].jobs.map(\.name)).count < workflows[0].jobs.count)
    #expect(Set(workflows[0].jobs.map(\.id)).count == workflows[0].jobs.count)
  }

  @Test func thePackageIsAZip() async throws {
    try await withSimulator(workflows: SampleTasks.workflows) { simulator in
      let pending = try await simulator.askForURL(SampleTasks.package)
      #expect(pending == "")
      let url = try await simulator.askForURL(SampleTasks.package)
      let answer = try await Curl.keyless.get(url)
      let directory = try TemporaryDirectory("sample")
      try Data(answer.body).write(to: URL(fileURLWithPath: directory.file("a.zip")))
      let python = try await ChildProcess.run(
        "python3",
        [
          "-c",
          """
          import csv, io, json, sys, zipfile
          z = zipfile.ZipFile(sys.argv[1])
          assert z.testzip() is None
          assert z.getinfo("ndvi.tif").compress_type == zipfile.ZIP_STORED
          json.loads(z.read("metadata/scene.json"))
          print(len(list(csv.DictReader(io.StringIO(z.read("fields.csv").decode())))))
          """, directory.file("a.zip"),
        ])
      #expect(python.output == "40\n", "\(python.errors)")
    }
  }

  private static let hasGDAL = FileManager.default.isExecutableFile(atPath: "/usr/bin/gdalinfo")

  @Test(.enabled(if: hasGDAL, "gdal-bin is not installed")) func gdalKnowsWhereThePictureIs() async throws {
    let directory = try TemporaryDirectory("picture")
    try Data(SampleTasks.picture.bytes).write(to: URL(fileURLWithPath: directory.file("a.tif")))
    let info = try await ChildProcess.run("gdalinfo", ["-checksum", directory.file("a.tif")])
    #expect(info.status == 0)
    #expect(info.errors.isEmpty, "\(info.errors)")
    #expect(info.output.contains("Size is 256, 256"))
    #expect(info.output.contains("WGS 84"))
    #expect(info.output.contains("Origin = (113.2000"))
    #expect(info.output.contains("Type=UInt16"))
  }

  @Test func theDirectoryIsWhereTheHeaderSays() {
    let bytes = SampleImage(width: 2, height: 1, corner: (0, 0), resolution: 1) { column, _ in UInt16(column + 7) }
      .bytes
    #expect(Array(bytes.prefix(8)) == [0x49, 0x49, 42, 0, 8, 0, 0, 0])
    #expect(Array(bytes.suffix(4)) == [7, 0, 8, 0])
  }
}
