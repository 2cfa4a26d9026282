import Archives
import Foundation
import TestSupport
import Testing

/// Damage to archives that are no zip: what tar has no checksum against, the compression around it has.
@Suite struct ForeignDamageTests {
  private static let files: [(name: String, content: [UInt8])] = [
    ("first", Array("the first".utf8)), ("second", [UInt8](repeating: 7, count: 1_500)), ("third", Array("3".utf8)),
  ]

  private let tar = TarBuilder(files)
  private let contents = Dictionary(uniqueKeysWithValues: files.map { ($0.name, $0.content) })

  private func packed(_ command: String) async throws -> [UInt8] {
    let directory = try TemporaryDirectory("damage")
    try Data(tar.finished).write(to: URL(filePath: directory.file("out.tar")))
    for file in Self.files { try Data(file.content).write(to: URL(filePath: directory.file(file.name))) }
    let made = try await ChildProcess.run("/bin/sh", ["-c", command], directory: directory.path)
    try #require(made.status == 0, "\(made.errors)")
    return made.outputBytes
  }

  @Test func aTarThatIsCutOffIsNeverComplete() throws {
    let whole = tar.finished
    var delivered = 0
    for count in stride(from: 1, through: tar.bytes.count, by: 1) {
      // All places around the boundaries of blocks, and some between.
      guard count % 512 < 3 || count % 512 > 509 || count % 101 == 0 else { continue }
      let reading = try Reading.foreign(Array(whole[..<count]))
      #expect(reading.failure?.kind == .truncated || count < 512 && reading.failure != nil, "cut at \(count)")
      #expect(reading.sink.contents.allSatisfy { contents[$0.key] == $0.value })
      #expect(reading.sink.whole.count >= delivered)
      delivered = reading.sink.whole.count
    }
    #expect(delivered == 3)
    #expect(try Reading.foreign(whole).failure == nil)
    #expect(try Reading.foreign(Array(whole.dropLast(512))).failure == nil)
  }

  @Test(arguments: [
    "gzip -c out.tar", "xz -c out.tar", "bzip2 -c out.tar", "bsdtar -cf x --lz4 @out.tar && cat x",
    "bsdtar -cf x --zstd @out.tar && cat x",
    "7z a -bd -t7z x.7z first second third >/dev/null && cat x.7z",
  ])
  func cutOffOrFlippedItGivesNoWrongBytes(_ command: String) async throws {
    let bytes = try await packed(command)
    #expect(try Reading.foreign(bytes).sink.contents == contents)
    for count in bytes.indices where count % 3 == 0 || count > bytes.count - 12 {
      let reading = try Reading.foreign(Array(bytes[..<count]))
      #expect(reading.failure != nil, "cut at \(count)")
      #expect(reading.sink.contents.allSatisfy { contents[$0.key] == $0.value }, "cut at \(count)")
    }
    // zstd as libarchive writes it has no checksum.
    guard !command.contains("zstd") else { return }
    for place in bytes.indices {
      var damaged = bytes
      damaged[place] ^= 1 << UInt8(place % 8)
      let reading = try Reading.foreign(damaged)
      let isRight = reading.sink.contents == contents && reading.sink.failed.isEmpty
      #expect(reading.failure != nil || !reading.sink.failed.isEmpty || isRight, "byte \(place)")
    }
  }

  @Test func randomDamageIsSurvived() async throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("damage seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    var archives = [tar.finished]
    for command in [
      "gzip -c out.tar", "bsdtar -cf - --format newc first second third",
      "bsdtar -cf - --format pax first second third",
      "7z a -bd -t7z x.7z first second third >/dev/null && cat x.7z",
    ] { archives.append(try await packed(command)) }
    for _ in 0..<600 {
      var bytes = archives[Int.random(in: archives.indices, using: &generator)]
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let place = Int.random(in: bytes.indices, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes.remove(at: place)
        default: bytes.insert(contentsOf: bytes[place...].prefix(8), at: place)
        }
      }
      var options = ArchiveOptions.testing
      options.limits.totalSize = .init(1 << 20)
      let reading = try Reading.foreign(bytes, options: options)
      #expect(reading.sink.received <= 1 << 20)
      let start = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &generator)))
      _ = PackageRecognizer.kind(start: start, isWhole: false)
    }
  }
}
