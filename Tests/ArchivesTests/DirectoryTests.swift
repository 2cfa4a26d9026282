import Archives
import Tasks
import Testing

/// Bytes in memory, that count how they are asked for.
final class BytesSource: RandomAccessSource {
  private let bytes: [UInt8]
  private(set) var reads = 0

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  var length: UInt64 { UInt64(bytes.count) }

  func read(at offset: UInt64, count: Int) -> [UInt8] {
    reads += 1
    guard offset < length else { return [] }
    return Array(bytes[Int(offset)...].prefix(count))
  }
}

@Suite struct DirectoryTests {
  typealias Entry = ZipBuilder.Entry

  @Test(arguments: [[], Array("prefix".utf8)])
  func listsWithoutReadingTheMembers(_ prefix: [UInt8]) throws {
    var secret = Entry("secret", "xyz")
    secret.flags = 1
    let zip = ZipBuilder([
      Entry("d/"), Entry("d/a", "12345", isDeflated: true, descriptor: .signed32), Entry("../d/a", "again"), secret,
    ])
    let source = BytesSource(prefix + zip.finished(comment: "a comment", hasZip64End: true))
    let directory = try ZipDirectory(reading: source, options: .testing)
    #expect(directory.directories.map { $0.path.description } == ["d"])
    #expect(directory.files.map { $0.member.path.description } == ["d/a", "d/a_1", "secret"])
    #expect(directory.files.map { $0.member.ordinal } == [1, 2, 3])
    #expect(directory.files.map { $0.member.size } == [ByteCount(5), ByteCount(5), ByteCount(3)])
    #expect(directory.files.map { $0.headerOffset } == zip.offsets.dropFirst().map { UInt64($0 + prefix.count) })
    #expect(directory.files.map { $0.refusal?.kind } == [nil, nil, .encrypted])
    // The tail, the locator and its record (twice with a prefix), the directory and a look at its start.
    #expect(source.reads <= 8)
  }

  @Test func namesAreThoseOfTheStream() throws {
    let bytes = DamageTests.archives[0].bytes
    let streamed = try Reading.of(bytes).sink.whole.map(\.member)
    let listed = try ZipDirectory(reading: BytesSource(bytes), options: .testing).files.map(\.member)
    #expect(streamed == listed)
  }

  @Test func refusesWhatHasNoEnd() {
    for bytes in [[], [UInt8](repeating: 1, count: 21), [UInt8](repeating: 1, count: 100_000)] {
      #expect(throws: ArchiveFailure.self) { try ZipDirectory(reading: BytesSource(bytes), options: .testing) }
    }
  }
}
