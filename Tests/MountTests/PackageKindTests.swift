import APISimulator
import Foundation
import TestSupport
import Testing

/// Packages of all kinds through the same steps: listed, read, fetched, verified, evicted, read again, after a remount.
@Suite("Packages of all kinds", .serialized, .timeLimit(.minutes(5)))
struct PackageKindTests {
  /// How a package is made of the files in a directory, which is where the line runs; `$1` is the package.
  struct Packer: Sendable, CustomTestStringConvertible {
    let name: String
    let line: String
    /// Must be installed.
    var tool = "bsdtar"

    var testDescription: String { name }
  }

  private static let packers = [
    Packer(name: "package.tar", line: "bsdtar -cf $1 *"),
    Packer(name: "package.tar.gz", line: "bsdtar -czf $1 *"),
    Packer(name: "package.tar.bz2", line: "bsdtar -cjf $1 *"),
    Packer(name: "package.tar.xz", line: "bsdtar -cJf $1 *"),
    Packer(name: "package.tar.zst", line: "bsdtar -cf - * | zstd -q -o $1", tool: "zstd"),
    Packer(name: "package.7z", line: "7z a -bso0 -bsp0 $1 .", tool: "7z"),
    Packer(name: "package-of-unknown-kind", line: "bsdtar -czf $1 *"),
    Packer(name: "other.zip", line: "bsdtar -acf $1 *"),
  ]

  private let files = [
    PackageFiles.noise("bands/B1.tif", 600_017), PackageFiles.text("tables/fields.csv", 700_000),
    SimulatedFile(path: "meta.json", text: "{\"crs\": \"EPSG:4326\"}\n"), SimulatedFile(path: "empty.txt", text: ""),
  ]

  @Test("Archives that other programs made", arguments: packers)
  func archives(_ packer: Packer) async throws {
    guard await isInstalled(packer.tool), await isInstalled("bsdtar") else {
      print("SKIPPED \(packer.name): \(packer.tool) is not installed")
      return
    }
    let directory = try TemporaryDirectory("kinds")
    for file in files {
      let path = directory.file("files/" + String(decoding: file.name, as: UTF8.self))
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try Data(file.bytes(at: 0, count: Int(file.size))).write(to: URL(fileURLWithPath: path))
    }
    let package = directory.file(packer.name)
    let made = try await ChildProcess.run(
      "sh", ["-c", packer.line, "sh", package], directory: directory.file("files"))
    try #require(made.status == 0, "\(made.errors)")
    try await throughAllSteps(.file(package))
  }

  @Test("Zips with a prefix, with a comment, of 64 bits, and with sizes behind the content")
  func zips() async throws {
    let prefix = [UInt8](repeating: 0x23, count: 70_000)
    try await throughAllSteps(.zip(files, prefix: prefix))
    var commented = ZipStyle.zip64
    commented.comment = [UInt8](repeating: 0x20, count: 60_000)
    try await throughAllSteps(.zip(files, style: commented))
    try await throughAllSteps(.zip(files, style: .streamedZip64))
    try await throughAllSteps(.zip(files, style: .streamedStored))
  }

  private func throughAllSteps(_ package: SimulatedPackage) async throws {
    try await MountedSystem.with(package: package) { system in
      try system.expect(files)
      let task = "pixxel/\(MountedSystem.packageKey)"
      try await system.expectPackage("\(package.name): cold")
      let fetched = try await system.tollfs("fetch", task)
      #expect(fetched.status == 0, "\(package.name): \(fetched.errors)")
      let verified = try await system.tollfs("verify", task)
      #expect(verified.status == 0, "\(package.name): \(verified.output) \(verified.errors)")
      let evicted = try await system.tollfs("evict", task)
      #expect(evicted.status == 0, "\(package.name): \(evicted.errors)")
      try await system.unmount()
      try await system.mount()
      let sent = system.tally.bytesSent
      try await system.expectPackage("\(package.name): evicted")
      #expect(system.tally.bytesSent > sent)
      try await system.unmount()
      await system.simulator.stop()
      try await system.mount()
      try await system.expectPackage("\(package.name): offline, after a remount")
    }
  }

  // MARK: - packages that are files

  @Test("A package that is no archive is a file, read by ranges, under the name that the store says")
  func plainFile() async throws {
    let bytes = PackageFiles.noise("x", 30_000_000, seed: 21).bytes(at: 0, count: 30_000_000)
    let named = SimulatedPackage.bytes(bytes, name: "0b7c").with {
      $0.disposition = "attachment; filename=\"field 7.tif\""
    }
    try await MountedSystem.with(package: named) { system in
      try system.expect([SimulatedFile(path: "field 7.tif", bytes: bytes)])
      #expect(
        try await system.shell("ls -l $R | awk 'NR > 1 { print $5 }'; ls $R").lines == ["30000000", "field 7.tif"])
      #expect(system.tally.bytesSent < 300_000)
      let piece = try await system.shell(
        "dd if=\"$R/field 7.tif\" bs=4096 skip=5000 count=1 status=none | cmp -n 4096 -i 0:20480000 - \"$D/expected/field 7.tif\""
      )
      #expect(piece.status == 0, "\(piece.output) \(piece.errors)")
      #expect(system.tally.bytesSent < 500_000, "\(system.tally.overlaps)")
      try await system.expectPackage("by ranges")
      #expect(system.tally.bytesSentTwice < 66_000, "\(system.tally.overlaps)")
      #expect(try await system.tollfs("verify", "pixxel/\(MountedSystem.packageKey)").status == 0)
      #expect(try await system.tollfs("evict", "pixxel/\(MountedSystem.packageKey)").status == 0)
      #expect(try await system.tollfs("fetch", "pixxel/\(MountedSystem.packageKey)").status == 0)
      try await system.unmount()
      await system.simulator.stop()
      try await system.mount()
      try await system.expectPackage("offline, after a remount")
    }
  }

  @Test("Without a name from the store it is the address's; a table in gzip stays what it is; nothing is an empty file")
  func otherFiles() async throws {
    let table = PackageFiles.text("fields.csv", 50_000)
    let csv = table.bytes(at: 0, count: 50_000)
    let packed = try await ChildProcess.run("sh", ["-c", "seq 20000 | gzip -n"]).outputBytes
    let packages: [(String, [UInt8])] = [("fields.csv", csv), ("fields.csv.gz", packed), ("empty.bin", [])]
    for (name, bytes) in packages {
      try await MountedSystem.with(package: .bytes(bytes, name: name)) { system in
        try system.expect([SimulatedFile(path: name, bytes: bytes)])
        try await system.expectPackage(name)
        let fetched = try await system.tollfs("fetch", "pixxel/\(MountedSystem.packageKey)")
        #expect(fetched.status == 0, "\(name): \(fetched.errors)")
        let verified = try await system.tollfs("verify", "pixxel/\(MountedSystem.packageKey)")
        #expect(verified.status == 0, "\(name): \(verified.errors)")
        try await system.unmount()
        try await system.mount()
        try await system.expectPackage("\(name), after a remount")
      }
    }
  }

  @Test("A plain file, and a tar, from a store that ignores ranges")
  func plainStreams() async throws {
    let table = PackageFiles.text("fields.csv", 3_000_000)
    for package in [SimulatedPackage.bytes(table.bytes(at: 0, count: 3_000_000), name: "fields.csv"), .tar([table])] {
      try await MountedSystem.with(package: package) { system in
        try system.expect([table])
        system.simulator.setFaults(.with { $0.range = .ignored }, kind: .get)
        try await system.expectPackage("as one stream")
        await system.simulator.stop()
        try await system.expectPackage("\(package.name): from the cache")
      }
    }
  }

  private func isInstalled(_ tool: String) async -> Bool {
    (try? await ChildProcess.run("sh", ["-c", "command -v \(tool)"]))?.status == 0
  }
}
