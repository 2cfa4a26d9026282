import Archives
import TestSupport
import Testing

/// Every possible small damage to small archives.
@Suite struct DamageTests {
  typealias Entry = ZipBuilder.Entry

  /// One archive for each way through the reader: the plain stream, descriptors, the spool, Zip64.
  static let archives: [(name: String, zip: ZipBuilder, bytes: [UInt8])] = {
    let plain = ZipBuilder([Entry("d/"), Entry("d/a", "stored"), Entry("b", "deflated", isDeflated: true)])
    let streamed = ZipBuilder([
      Entry("a", "stream", isDeflated: true, descriptor: .signed32),
      Entry("b", "unsigned", isDeflated: true, descriptor: .unsigned32),
      Entry("c", "wide", isDeflated: true, descriptor: .signed64),
    ])
    let spooled = ZipBuilder([
      Entry("a", "first"), Entry("b", "PK\u{3}\u{4} in here", descriptor: .signed32),
      Entry("c", "last", isDeflated: true),
    ])
    var wide = Entry("wide", "zip64", isDeflated: true)
    wide.isZip64 = true
    let zip64 = ZipBuilder([wide, Entry("b", "more")])
    return [
      ("plain", plain, plain.finished(comment: "!")), ("streamed", streamed, streamed.finished()),
      ("spooled", spooled, spooled.finished()), ("zip64", zip64, zip64.finished(hasZip64End: true)),
    ]
  }()

  @Test(arguments: archives.indices)
  func aTruncatedArchiveIsNeverComplete(_ index: Int) throws {
    let archive = Self.archives[index]
    let contents = try Reading.of(archive.bytes).sink.contents
    var wholeBefore = 0
    for count in archive.bytes.indices {
      for chunking in [Chunking.whole, .bytewise] {
        let reading = try Reading.of(Array(archive.bytes[..<count]), chunking)
        let kind = reading.failure?.kind
        #expect(kind == .truncated || kind == .notAZip && count < 30, "\(archive.name) cut at \(count)")
        #expect(reading.sink.contents.allSatisfy { contents[$0.key] == $0.value })
        #expect(reading.sink.whole.count >= wholeBefore, "\(archive.name) cut at \(count)")
        wholeBefore = reading.sink.whole.count
      }
      // What arrived whole has been delivered, whether or not anything follows it.
      if count == archive.zip.bytes.count {
        #expect(wholeBefore == contents.count, "\(archive.name)")
      }
    }
  }

  @Test(arguments: archives.indices)
  func aFlippedBitNeverGivesWrongBytes(_ index: Int) throws {
    let archive = Self.archives[index]
    let good = try Reading.of(archive.bytes)
    let contents = Set(good.sink.contents.values)
    for place in archive.bytes.indices {
      for bit in 0..<8 {
        var bytes = archive.bytes
        bytes[place] ^= 1 << UInt8(bit)
        let reading = try Reading.of(bytes, bit == 0 ? .bytewise : .whole)
        // No checksum guards an empty file: one bit makes one of a directory, or of a content behind an empty header that
        // begins like a record. Then the central directory must have told.
        let strange = reading.sink.whole.filter { file in
          !contents.contains(file.content) && !(file.content.isEmpty && reading.failure != nil)
        }
        #expect(strange.isEmpty, "\(archive.name): byte \(place) bit \(bit)")
        if reading.failure == nil, reading.sink.failed.isEmpty {
          #expect(reading.sink.contents == good.sink.contents, "\(archive.name): byte \(place) bit \(bit)")
        }
      }
    }
  }

  @Test func randomDamageIsSurvived() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("damage seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<3_000 {
      let archive = Self.archives[Int.random(in: Self.archives.indices, using: &generator)]
      var bytes = archive.bytes
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let place = Int.random(in: bytes.indices, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: bytes[place] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &generator) ?? 0
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(contentsOf: bytes[place...].prefix(8), at: place)
        default: bytes.replaceSubrange(place..<min(place + 4, bytes.count), with: [0xff, 0xff, 0xff, 0xff])
        }
      }
      let reading = try Reading.of(bytes, .random(seed: generator.next(), upTo: 40), keepsContent: false)
      _ = try? ZipDirectory(reading: BytesSource(bytes), options: .testing)
      #expect(reading.sink.received <= 1_000)
    }
  }
}
