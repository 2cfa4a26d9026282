import APISimulator
import Foundation
import TestSupport
import Testing

// What the tests of packages share: one workflow with one job with one task, and questions to the store's own count.

extension MountedSystem {
  /// Workflow, job and task of the package under test.
  static let packageKey = "wf-1/job-1/task-1"

  /// Mounts a source of the kind pixxel that has one completed task with this package.
  static func with(
    package: SimulatedPackage, _ settings: Settings = Settings(), pending: Int = 0,
    simulator: APISimulator.Configuration? = nil, _ body: (MountedSystem) async throws -> Void
  ) async throws {
    var settings = settings
    settings.pixxel = settings.pixxel ?? []
    try await with([], settings, simulator: simulator, mounted: false) { system in
      let task = SimulatedPixxelTask(
        id: "task-1", name: "Field 7", state: .completed, package: package, pendingAnswers: pending)
      let job = SimulatedJob(id: "job-1", name: "Harvest", tasks: [task])
      system.simulator.put(SimulatedWorkflow(id: "wf-1", name: "Crop health", jobs: [job]))
      // Made before anything is counted.
      _ = await system.simulator.packageSize(of: packageKey)
      try await system.mount()
      try await body(system)
    }
  }

  /// What the store has sent of the package.
  var tally: PackageTally { simulator.counters().package(Self.packageKey) }

  /// Writes files where shell commands can compare with them, below `$D/expected`.
  func expect(_ files: [SimulatedFile]) throws {
    for file in files {
      let path = directory.file("expected/" + String(decoding: file.name, as: UTF8.self))
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      #expect(FileManager.default.createFile(atPath: path, contents: Data(file.bytes(at: 0, count: Int(file.size)))))
    }
  }

  /// Walks through the package's results and compares everything with ``expect(_:)``.
  func expectPackage(_ when: String = "") async throws {
    let outcome = try await shell("diff -rq \"$R\" \"$D/expected\"", timeout: 120)
    #expect(outcome.status == 0 && outcome.output.isEmpty, "\(when): \(outcome.output) \(outcome.errors)")
  }
}

/// Files as packages of imagery have them.
enum PackageFiles {
  static func noise(_ path: String, _ size: Int64, seed: UInt64 = 1, method: SimulatedFile.Method = .stored)
    -> SimulatedFile
  {
    SimulatedFile(path: path, content: .generated(GeneratedContent(seed: seed, size: size)), method: method)
  }

  static func text(_ path: String, _ size: Int64, seed: UInt64 = 1) -> SimulatedFile {
    SimulatedFile(
      path: path, content: .generated(GeneratedContent(seed: seed, size: size, texture: .text)),
      method: .deflated(level: 1))
  }

  /// Bands that are stored, tables that are deflated, in folders.
  static let mixed: [SimulatedFile] = [
    noise("bands/B1.tif", 3_000_017), noise("bands/B2.tif", 40_000, seed: 2), text("tables/fields.csv", 900_000),
    text("tables/small.csv", 300, seed: 5), SimulatedFile(path: "meta.json", text: "{\"crs\": \"EPSG:4326\"}\n"),
    SimulatedFile(path: "empty.txt", text: ""), text("tables/long.csv", 5_000_000, seed: 7),
  ]
}

extension PackageTally {
  /// What was sent, piece by piece, for the reason of a failed expectation.
  var overlaps: String {
    runs.map { "\($0.request): \($0.offset)+\($0.count)" }.joined(separator: " ")
  }
}
