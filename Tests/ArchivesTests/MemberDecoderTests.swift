import Archives
import Foundation
import Tasks
import TestSupport
import Testing

@Suite struct MemberDecoderTests {
  /// A content and what compressors make of it.
  struct Sample {
    let name: String
    let content: [UInt8]
    let raw: [UInt8]

    var place: MemberPlace { place(crc32: content.withUnsafeBytes { crc32($0) }) }

    func place(crc32: UInt32?, offset: UInt64 = 0) -> MemberPlace {
      MemberPlace(
        headerOffset: offset, limit: .max, compressedSize: ByteCount(raw.count), size: ByteCount(content.count),
        crc32: crc32, method: 8)
    }
  }

  /// Text, noise and repetition, so that a compressor has to write blocks of all kinds.
  private static func content() -> [UInt8] {
    var generator = SeededGenerator(seed: 11)
    var bytes: [UInt8] = []
    for index in 0..<14 {
      switch index % 3 {
      case 0: bytes += (0..<5_000).flatMap { Array("\($0 &* index) \($0 % 77),".utf8) }
      case 1: bytes += (0..<60_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
      default: bytes += [UInt8](repeating: UInt8(index), count: 90_000) + bytes.suffix(32_768)
      }
    }
    return bytes
  }

  /// zlib's streams: as usual, stored, with the fixed code, Huffman only, with a small window, with flushes in between.
  static func samples() async throws -> [Sample] {
    let directory = try TemporaryDirectory("deflate")
    let content = content()
    try Data(content).write(to: URL(filePath: directory.file("content")))
    let script = """
      import zlib
      data = open('content', 'rb').read()
      for name, level, window, strategy, step in [
          ('dynamic', 6, -15, 0, 0), ('best', 9, -15, 0, 0), ('stored', 0, -15, 0, 0), ('fixed', 6, -15, 4, 0),
          ('huffman', 6, -15, 2, 0), ('narrow', 6, -9, 0, 0), ('flushed', 1, -15, 0, 10007)]:
          packer = zlib.compressobj(level, zlib.DEFLATED, window, 9, strategy)
          raw = b''
          for start in range(0, len(data), step or len(data)):
              raw += packer.compress(data[start:start + (step or len(data))])
              if step: raw += packer.flush(zlib.Z_SYNC_FLUSH)
          open(name, 'wb').write(raw + packer.flush())
      """
    let made = try await ChildProcess.run("python3", ["-c", script], directory: directory.path)
    try #require(made.status == 0, "\(made.errors)")
    return try ["dynamic", "best", "stored", "fixed", "huffman", "narrow", "flushed"].map { name in
      Sample(name: name, content: content, raw: Array(try Data(contentsOf: URL(filePath: directory.file(name)))))
    }
  }

  /// Feeds to the end in random pieces, and goes on from a snapshot in another decoder every now and then.
  private func decode(
    _ sample: Sample, _ place: MemberPlace, hops: Int, upTo piece: Int, _ generator: inout SeededGenerator
  ) throws -> [UInt8] {
    var decoder = try MemberDecoder(place, spoolDirectory: "/nowhere")
    var content: [UInt8] = []
    while true {
      #expect(decoder.produced == UInt64(content.count))
      if Int.random(in: 0..<1_000, using: &generator) < hops {
        let snapshot = try #require(decoder.snapshot())
        decoder = try MemberDecoder(place, resuming: snapshot)
        #expect(decoder.produced == UInt64(content.count))
      }
      let next = sample.raw[Int(decoder.consumed)...].prefix(Int.random(in: 1...piece, using: &generator))
      try #require(!next.isEmpty)
      let progress = try next.withUnsafeBytes { try decoder.feed($0) { content.append(contentsOf: $0) } }
      if progress == .ended { return content }
    }
  }

  @Test func goesOnFromAnyPointAsIfNothingHadHappened() async throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    for sample in try await Self.samples() {
      for (hops, piece) in [(0, 100_000), (1_000, 60_000), (300, 5_000), (20, 300)] {
        let content = try decode(sample, sample.place, hops: hops, upTo: piece, &generator)
        #expect(content == sample.content, "\(sample.name), pieces up to \(piece)")
      }
    }
  }

  @Test func everyByteIsAPointToGoOnFrom() throws {
    // Short, with the decoder changed behind each byte: headers of blocks, codes and lengths are cut everywhere.
    let text = String(repeating: "so many words, ", count: 4) + "and an end"
    var entry = ZipBuilder.Entry("a", text)
    entry.isDeflated = true
    let client = PackageClient(bytes: ZipBuilder([entry]).finished())
    let place = MemberPlace(try #require(try client.listing(tail: 1_000).directory?.files.first))
    let raw = client.bytes[31...].prefix(Int(place.compressedSize.bytes))
    var content: [UInt8] = []
    var decoder = try MemberDecoder(place, spoolDirectory: "/nowhere")
    for (index, byte) in raw.enumerated() {
      #expect(decoder.consumed == UInt64(index))
      decoder = try MemberDecoder(place, resuming: try #require(decoder.snapshot()))
      let progress = try [byte].withUnsafeBytes { try decoder.feed($0) { content.append(contentsOf: $0) } }
      #expect((progress == .ended) == (index == raw.count - 1))
    }
    #expect(content == Array(text.utf8))
    #expect(decoder.snapshot() == nil)
  }

  @Test func theChecksumOfTheWholeIsCheckedAfterAResumption() async throws {
    var generator = SeededGenerator(seed: 3)
    for sample in try await Self.samples().prefix(3) {
      let wrong = sample.place(crc32: 12345)
      let failure = #expect(throws: ArchiveFailure.self) {
        try decode(sample, wrong, hops: 500, upTo: 50_000, &generator)
      }
      #expect(failure?.kind == .badChecksum)
      let unknown = sample.place(crc32: nil)
      #expect(try decode(sample, unknown, hops: 500, upTo: 50_000, &generator) == sample.content)
    }
  }

  @Test func snapshotsAreSmall() async throws {
    for sample in try await Self.samples() {
      let decoder = try MemberDecoder(sample.place, spoolDirectory: "/nowhere")
      let half = sample.raw.prefix(sample.raw.count / 2)
      _ = try half.withUnsafeBytes { try decoder.feed($0) { _ in } }
      let snapshot = try #require(decoder.snapshot())
      print("snapshot of \(sample.name): \(snapshot.count) bytes")
      #expect(snapshot.count < 60_000)
    }
  }

  @Test func aDamagedSnapshotIsRefused() async throws {
    let sample = try #require(try await Self.samples().first)
    let decoder = try MemberDecoder(sample.place, spoolDirectory: "/nowhere")
    _ = try sample.raw.prefix(200_000).withUnsafeBytes { try decoder.feed($0) { _ in } }
    let snapshot = try #require(decoder.snapshot())
    #expect(throws: Never.self) { try MemberDecoder(sample.place, resuming: snapshot) }

    let places = Array(0..<120) + stride(from: 120, to: snapshot.count, by: 997)
    for place in places {
      var damaged = snapshot
      damaged[place] ^= UInt8(1 << (place % 8))
      #expect(throws: ArchiveFailure.self, "byte \(place)") { try MemberDecoder(sample.place, resuming: damaged) }
    }
    for count in Array(0..<120) + [snapshot.count - 1] {
      #expect(throws: ArchiveFailure.self, "\(count) bytes") {
        try MemberDecoder(sample.place, resuming: Array(snapshot.prefix(count)))
      }
    }
    #expect(throws: ArchiveFailure.self) { try MemberDecoder(sample.place, resuming: snapshot + [0]) }
    // Of a member that only looks the same.
    for other in [sample.place(crc32: nil), sample.place(crc32: sample.place.crc32, offset: 1)] {
      #expect(throws: ArchiveFailure.self) { try MemberDecoder(other, resuming: snapshot) }
    }
  }

  @Test func damageAndWrongSizesAreErrors() async throws {
    let sample = try #require(try await Self.samples().first)
    func failure(_ raw: [UInt8], size: Int) -> ArchiveFailure? {
      let place = MemberPlace(
        headerOffset: 0, limit: .max, compressedSize: ByteCount(raw.count), size: ByteCount(size), crc32: nil, method: 8
      )
      guard let decoder = try? MemberDecoder(place, spoolDirectory: "/nowhere") else { return nil }
      var received = 0
      let failure = #expect(throws: ArchiveFailure.self) {
        try raw.withUnsafeBytes { try decoder.feed($0) { received += $0.count } }
      }
      // It stays what it was, and hands nothing on any more.
      #expect(received <= size)
      #expect(decoder.snapshot() == nil)
      let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
      let again = #expect(throws: ArchiveFailure.self) { try decoder.feed(nothing) { _ in } }
      #expect(again == failure)
      return failure
    }
    #expect(failure(sample.raw, size: sample.content.count - 1)?.kind == .badStructure)
    #expect(failure(sample.raw, size: sample.content.count + 1)?.kind == .badStructure)
    #expect(failure(sample.raw.dropLast(10), size: sample.content.count)?.kind == .badStructure)
    #expect(failure([7, 7, 7, 7], size: 100)?.kind == .badStructure)
  }

  @Test func errorsOfTheReceiverComeOut() async throws {
    struct Full: Error, Equatable {}
    let sample = try #require(try await Self.samples().first)
    let decoder = try MemberDecoder(sample.place, spoolDirectory: "/nowhere")
    for _ in 0..<2 {
      #expect(throws: Full()) { try sample.raw.withUnsafeBytes { try decoder.feed($0) { _ in throw Full() } } }
    }
  }

  @Test func emptyAndStoredMembers() throws {
    for method in [UInt16(0), 8, 12, 14, 93] {
      let place = MemberPlace(
        headerOffset: 0, limit: .max, compressedSize: ByteCount(0), size: ByteCount(0), crc32: 0, method: method)
      let decoder = try MemberDecoder(place, spoolDirectory: FileManager.default.temporaryDirectory.path)
      let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
      #expect(try decoder.feed(nothing) { _ in Issue.record("bytes of nothing") } == .ended)
    }
    func stored(_ compressedSize: Int, _ size: Int, crc32: UInt32?, method: UInt16 = 0) throws -> MemberDecoder {
      let place = MemberPlace(
        headerOffset: 0, limit: .max, compressedSize: ByteCount(compressedSize), size: ByteCount(size), crc32: crc32,
        method: method)
      return try MemberDecoder(place, spoolDirectory: "/nowhere")
    }
    #expect(throws: ArchiveFailure.self) { try stored(3, 4, crc32: nil) }
    #expect(throws: ArchiveFailure.self) { try stored(3, 3, crc32: nil, method: 99) }
    let wrong = try stored(3, 3, crc32: 1)
    #expect(throws: ArchiveFailure.self) { try [1, 2, 3].withUnsafeBytes { try wrong.feed($0) { _ in } } }
  }
}
