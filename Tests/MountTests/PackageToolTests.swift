import APISimulator
import Foundation
import TestSupport
import Testing

/// Other people's programs on both sides: an S3 server, and a reader of rasters.
@Suite("Packages, other servers and other readers", .serialized, .timeLimit(.minutes(5)))
struct PackageToolTests {
  @Test("A package on moto's S3 server, behind an address that boto3 signed")
  func moto() async throws {
    guard await MotoServer.isInstalled() else {
      print("SKIPPED moto: install Python's packages moto[s3,server] and boto3 to run this test")
      return
    }
    let files = PackageFiles.mixed
    let zip = try await TemporaryZip(files: files).bytes()
    let directory = try TemporaryDirectory("moto")
    let path = directory.file("package.zip")
    try Data(zip).write(to: URL(fileURLWithPath: path))
    let server = try await MotoServer.start(file: path, key: "orders/package 7.zip")
    try await MountedSystem.with(package: .external(server.url)) { system in
      try system.expect(files)
      #expect(try await system.shell("ls -l $R/bands | awk 'NR > 1 { print $5 }'").lines == ["3000017", "40000"])
      #expect(try await system.shell("cmp $R/tables/long.csv $D/expected/tables/long.csv").status == 0)
      let piece = try await system.shell(
        "dd if=$R/bands/B1.tif bs=4096 skip=300 count=1 status=none | cmp -n 4096 -i 0:1228800 - $D/expected/bands/B1.tif"
      )
      #expect(piece.status == 0, "\(piece.output) \(piece.errors)")
      try await system.expectPackage("from moto")
      #expect(try await system.tollfs("verify", "pixxel/\(MountedSystem.packageKey)").status == 0)
      #expect(system.simulator.counters().total.get == 0)
    }
    withExtendedLifetime(server) {}
  }

  // MARK: - GDAL

  private static let environment = [
    "CPL_VSIL_CURL_USE_HEAD=NO", "GDAL_DISABLE_READDIR_ON_OPEN=EMPTY_DIR", "CPL_CURL_VERBOSE=NO", "NO_PROXY='*'",
    "GDAL_PAM_ENABLED=NO",
  ].joined(separator: " ")

  /// A tiled GeoTIFF with overviews in it, of some 30 MB.
  private func makeRaster(_ path: String) async throws -> Bool {
    guard
      let found = try? await ChildProcess.run(
        "sh", ["-c", "command -v gdalinfo; command -v gdal_translate; command -v gdaladdo"]),
      found.lines.count == 3
    else { return false }
    let noise = path + "-noise"
    let content = GeneratedContent(seed: 7, size: 27_000_000)
    try Data(content.bytes(at: 0, count: 27_000_000)).write(to: URL(fileURLWithPath: noise))
    // Raw noise as a raster, so that nothing compresses away.
    let header = """
      ENVI
      samples = 3000
      lines = 3000
      bands = 3
      data type = 1
      interleave = bsq
      byte order = 0
      """
    try header.write(toFile: noise + ".hdr", atomically: true, encoding: .utf8)
    let outcome = try await ChildProcess.shell(
      """
      gdal_translate -q -of GTiff -co TILED=YES -a_srs EPSG:32633 -a_ullr 500000 5300000 530000 5270000 \
        "\(noise)" "\(path)" && gdaladdo -q -r nearest "\(path)" 4
      """, environment: ["GDAL_PAM_ENABLED": "NO"])
    try #require(outcome.status == 0, "\(outcome.errors)")
    return true
  }

  @Test("gdalinfo through the mount moves no more bytes than GDAL's own way to the same address")
  func gdal() async throws {
    let directory = try TemporaryDirectory("gdal")
    let raster = directory.file("scene.tif")
    guard try await makeRaster(raster) else {
      print("SKIPPED GDAL: install gdal-bin to run this test")
      return
    }
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: raster)))
    let files = [
      PackageFiles.text("readme.txt", 3_000), SimulatedFile(path: "scene.tif", bytes: bytes, method: .stored),
      PackageFiles.text("tables/fields.csv", 200_000),
    ]
    for command in [
      "gdalinfo", "gdalinfo -checksum -oo OVERVIEW_LEVEL=0", "gdal_translate -q -srcwin 1000 1000 300 300",
    ] {
      try await MountedSystem.with(package: .zip(files)) { system in
        let output = command.hasPrefix("gdal_translate") ? "$D/piece.tif" : ""
        let key = MountedSystem.packageKey
        let throughMount = try await system.shell("\(Self.environment) \(command) $R/scene.tif \(output)")
        #expect(throughMount.status == 0, "\(throughMount.errors)")
        let (bytes, requests) = (system.tally.bytesSent, system.simulator.counters().total.get)
        system.simulator.resetCounters()
        let url = try #require(system.simulator.signedURL(for: key))
        let own = try await system.shell(
          "\(Self.environment) \(command) '/vsizip/{/vsicurl/\(url)}/scene.tif' \(output.isEmpty ? "" : "$D/piece2.tif")"
        )
        #expect(own.status == 0, "\(own.errors)")
        let (theirs, theirRequests) = (system.tally.bytesSent, system.simulator.counters().total.get)
        // Without HEAD, GDAL asks for everything once to learn the size, and hangs up.
        let ranged = system.simulator.requests().reduce(0) { $1.range == nil ? $0 : $0 + $1.bytesSent }
        print(
          "\(command): mount \(bytes) bytes, \(requests) requests, \(throughMount.duration); "
            + "vsicurl \(theirs) bytes (\(ranged) by ranges), \(theirRequests) requests, \(own.duration)")
        #expect(bytes <= theirs, "\(command)")
        let same = try await system.shell("test ! -e $D/piece.tif || cmp $D/piece.tif $D/piece2.tif")
        #expect(same.status == 0, "\(same.output)")
      }
    }
  }
}
