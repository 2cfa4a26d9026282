import Archives
import Foundation
import TestSupport
import Testing

@Suite struct RecognizerTests {
  /// Asks as long as more bytes are wanted, which are told as well.
  static func recognized(_ bytes: [UInt8]) -> (kind: PackageKind, asked: [Int]) {
    var asked = [0]
    while true {
      let count = asked[asked.count - 1]
      switch PackageRecognizer.read(Array(bytes.prefix(count)), isWhole: count >= bytes.count) {
      case .kind(let kind): return (kind, Array(asked.dropFirst()))
      case .needs(let more):
        guard more > count else { return (.plain, []) }
        asked.append(more)
      }
    }
  }

  private func kind(_ bytes: [UInt8]) -> PackageKind {
    PackageRecognizer.kind(
      start: Array(bytes.prefix(PackageRecognizer.usualStart)), isWhole: bytes.count <= PackageRecognizer.usualStart)
  }

  @Test func zips() {
    let zip = ZipBuilder([.init("a", "1")])
    #expect(kind(zip.finished()) == .zip)
    #expect(kind(ZipBuilder().finished()) == .zip)
    #expect(kind(le(0x3030_4b50, 4) + zip.finished()) == .zip)
    #expect(kind(le(0x0807_4b50, 4) + zip.finished()) == .zip)
    #expect(kind(Array("PK, the beginning of a text".utf8)) == .plain)
    #expect(PackageRecognizer.read(Array(zip.bytes.prefix(4)), isWhole: false) == .kind(.zip))
  }

  @Test func filesAreWhatTheyAre() async throws {
    let tiff = [0x49, 0x49, 42, 0, 8, 0, 0, 0] + [UInt8](repeating: 9, count: 5_000)
    let text = Array(String(repeating: "1,2,3\n", count: 30_000).utf8)
    for bytes in [[], [0], tiff, text, [UInt8](repeating: 0, count: 10_240), Array("%PDF-1.7".utf8), [0x1f, 0x8b, 8]] {
      #expect(kind(bytes) == .plain)
    }
    var generator = SeededGenerator(seed: 5)
    let noise = (0..<200_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
    #expect(kind(noise) == .plain)
    let directory = try TemporaryDirectory("plain")
    for (name, bytes) in [("text", text), ("noise", noise), ("tiff", tiff), ("one", [1])] {
      try Data(bytes).write(to: URL(filePath: directory.file(name)))
      for packer in ["gzip -c", "xz -c", "bzip2 -c", "bsdcat"] where packer != "bsdcat" {
        let packed = try await ChildProcess.shell("\(packer) '\(directory.file(name))'")
        try #require(packed.status == 0)
        #expect(kind(packed.outputBytes) == .plain, "\(packer) \(name)")
      }
    }
  }

  @Test func tarsByTheirChecksum() {
    let tar = TarBuilder([("a", [1, 2, 3])]).finished
    #expect(kind(tar) == .archive)
    #expect(PackageRecognizer.read(Array(tar.prefix(512)), isWhole: false) == .kind(.archive))
    #expect(PackageRecognizer.read(Array(tar.prefix(511)), isWhole: false) == .needs(65_536))
    #expect(PackageRecognizer.read(Array(tar.prefix(511)), isWhole: true) == .kind(.plain))
    for place in [0, 100, 124, 150, 500] {
      var damaged = tar
      damaged[place] ^= 1
      #expect(kind(damaged) == .plain, "byte \(place)")
    }
  }

  @Test(arguments: ["gzip", "bzip2", "xz", "zstd", "lz4"])
  func compressedTarsAsSoonAsTheyShow(_ compression: String) async throws {
    let directory = try TemporaryDirectory("start")
    let made = try await ChildProcess.shell("head -c 3000000 /dev/urandom > '\(directory.file("noise"))'")
    try #require(made.status == 0)
    let packed = try await ChildProcess.run(
      "bsdtar", ["-c", "--\(compression)", "-f", "-", "noise"], directory: directory.path)
    try #require(packed.status == 0, "\(packed.errors)")
    let bytes = packed.outputBytes
    let (kind, asked) = Self.recognized(bytes)
    print("\(compression): asked for \(asked)")
    #expect(kind == .archive)
    if compression == "gzip" { #expect(asked == [65_536]) }
    #expect(asked.count <= 3)
  }
}
