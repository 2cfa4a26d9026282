import Archives
import Foundation
import Tasks
import TestSupport
import Testing

@Suite struct PackageEndTests {
  typealias Entry = ZipBuilder.Entry

  /// With many members, so that the directory is longer than the first bytes that are fetched.
  private static let many = ZipBuilder((0..<12).map { Entry("d/file \($0)", "content \($0)", isDeflated: $0 % 2 == 0) })

  static let archives: [(name: String, bytes: [UInt8])] = {
    let stub = Array("#!/bin/sh\nexec unzip \"$0\"\n".utf8)
    let plain = many.finished(comment: "said")
    let wide = many.finished(comment: "PK\u{5}\u{6} is no end", hasZip64End: true)
    return [
      ("plain", plain), ("zip64", wide), ("prefixed", stub + plain), ("prefixed zip64", stub + wide),
      ("followed", plain + [UInt8](repeating: 7, count: 300)), ("empty", ZipBuilder().finished()),
      ("empty zip64", ZipBuilder().finished(hasZip64End: true)),
    ]
  }()

  @Test(arguments: archives.indices)
  func anyTailGivesTheListingOfTheWhole(_ index: Int) throws {
    let archive = Self.archives[index]
    let whole = try ZipDirectory(reading: BytesSource(archive.bytes), options: .testing)
    #expect(whole.files.count == (archive.name.hasPrefix("empty") ? 0 : 12))
    let client = PackageClient(bytes: archive.bytes)
    for tail in stride(from: 0, through: archive.bytes.count + 5, by: 7) {
      let listing = try client.listing(tail: tail)
      #expect(listing.directory?.told == whole.told, "\(archive.name), \(tail) bytes")
    }
  }

  @Test(arguments: ["plain", "zip64", "prefixed", "prefixed zip64"])
  func oneMoreFetchIsEnough(_ name: String) throws {
    let bytes = try #require(Self.archives.first { $0.name == name }).bytes
    // From where both end records are in hand.
    for tail in stride(from: 120, to: bytes.count, by: 5) {
      let listing = try PackageClient(bytes: bytes).listing(tail: tail)
      #expect(listing.fetches <= 2, "\(tail) bytes")
    }
    #expect(try PackageClient(bytes: bytes).listing(tail: bytes.count).fetches == 1)
  }

  @Test func onlyTheDirectoryIsFetchedOfALargePackage() throws {
    var zip = ZipBuilder()
    for index in 0..<2_000 { zip.add(Entry("some directory/with a file \(index)", "x")) }
    var large = Entry("large")
    large.content = [UInt8](repeating: 1, count: 3_000_000)
    zip.add(large)
    let bytes = zip.finished()
    let start = bytes.count - 66_000
    let reading = try PackageEnd.read(
      Array(bytes[start...]), from: UInt64(start), length: UInt64(bytes.count), options: .testing)
    guard case .needs(let from) = reading else {
      Issue.record("\(reading)")
      return
    }
    #expect(from == UInt64(zip.bytes.count))
  }

  @Test func whatHasNoEndIsNoZip() throws {
    for count in [0, 1, 21, 22, 65_557, 65_558, 200_000] {
      let client = PackageClient(bytes: [UInt8](repeating: 3, count: count))
      for tail in [0, 1, 22, 65_557, 100_000] {
        let listing = try client.listing(tail: tail)
        #expect(listing.directory == nil)
        #expect(listing.fetches <= 2)
      }
    }
    // Further from the end than a comment can be long.
    let far = ZipBuilder([Entry("a", "x")]).finished() + [UInt8](repeating: 0, count: 65_536)
    #expect(try PackageClient(bytes: far).listing(tail: 65_557).directory == nil)
    #expect(try PackageClient(bytes: Array(far.dropLast())).listing(tail: 100).directory?.files.count == 1)
  }

  @Test func aDamagedDirectoryIsAnErrorAndNotAnotherPackage() throws {
    let good = Self.many.finished()
    var bytes = good
    bytes[Self.many.bytes.count] ^= 1
    #expect(throws: ArchiveFailure.self) { try PackageClient(bytes: bytes).listing(tail: 100) }
    // An end record that puts the directory far before everything.
    var lying = good
    lying.replaceSubrange(lying.count - 10..<lying.count - 6, with: [0xff, 0xff, 0xff, 0x7f])
    #expect(throws: ArchiveFailure.self) { try PackageClient(bytes: lying).listing(tail: 100) }
  }

  @Test func limitsEndAtTheNextHeader() throws {
    var zip = ZipBuilder([Entry("a", "1"), Entry("d/"), Entry("b", "22", isDeflated: true, descriptor: .signed32)])
    zip.addGap([0, 0])
    let files = try #require(try PackageClient(bytes: zip.finished()).listing(tail: 1_000).directory).files
    #expect(files.map(\.headerOffset) == [zip.offsets[0], zip.offsets[2]].map(UInt64.init))
    #expect(files.map(\.limit) == [zip.offsets[1], zip.bytes.count].map(UInt64.init))
    #expect(files.allSatisfy { $0.refusal == nil })
  }

  @Test func contentsThatOverlapAreRefused() throws {
    var twice = ZipBuilder()
    twice.add(Entry("a", "the same"))
    let once = twice.finished()
    let entry = once[twice.bytes.count..<once.count - 22]
    let counts = le(2, 2) + le(2, 2)
    let end = le(0x0605_4b50, 4) + le(0, 4) + counts + le(2 * entry.count, 4) + le(twice.bytes.count, 4) + le(0, 2)
    let bytes = twice.bytes + entry + entry + end
    let files = try #require(try PackageClient(bytes: bytes).listing(tail: 1_000).directory).files
    #expect(files.map { $0.refusal == nil } == [true, false])

    // A content that is said to reach into the next member.
    let two = ZipBuilder([Entry("a", "12345"), Entry("b", "12345")])
    var long = two.finished()
    for field in [20, 24] { long[two.bytes.count + field] = 100 }
    let listed = try #require(try PackageClient(bytes: long).listing(tail: 1_000).directory).files
    #expect(listed.map { $0.refusal?.kind } == [.badStructure, nil])
  }

  @Test func randomDamageNeverStopsOnlyFails() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<700 {
      var bytes = Self.archives[Int.random(in: 0..<5, using: &generator)].bytes
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let fromEnd = Int.random(in: 1...min(bytes.count, 200), using: &generator)
        bytes[bytes.count - fromEnd] = UInt8.random(in: 0...255, using: &generator)
      }
      let client = PackageClient(bytes: bytes)
      let tail = Int.random(in: 0...bytes.count, using: &generator)
      let whole = try? ZipDirectory(reading: BytesSource(bytes), options: .testing)
      do {
        #expect(try client.listing(tail: tail).directory?.told == whole?.told)
      } catch is ArchiveFailure {
        #expect(whole == nil)
      }
    }
  }
}

@Suite struct LocalHeaderCheckTests {
  typealias Entry = ZipBuilder.Entry

  private func package(_ entry: Entry) throws -> (client: PackageClient, place: MemberPlace) {
    let client = PackageClient(bytes: ZipBuilder([Entry("first", "1"), entry, Entry("last", "2")]).finished())
    let directory = try #require(try client.listing(tail: 10_000).directory)
    return (client, MemberPlace(directory.files[1]))
  }

  @Test(arguments: ZipBuilder.Descriptor.allCases, [false, true])
  func findsTheContent(_ descriptor: ZipBuilder.Descriptor, isZip64: Bool) throws {
    var entry = Entry("a name", "the content", descriptor: descriptor)
    entry.isZip64 = isZip64
    entry.extra = le(0x1234, 2) + le(3, 2) + [1, 2, 3]
    let (client, place) = try package(entry)
    let header = client.bytes[Int(place.headerOffset)...]
    let length = 30 + 6 + 7 + (isZip64 && descriptor == .none ? 20 : 0)
    for count in 0..<length {
      #expect(try LocalHeaderCheck.read(header.prefix(count), of: place) == .needs(count < 30 ? 30 : length))
    }
    for count in length...header.count {
      let expected = LocalHeaderCheck.Reading.content(at: place.headerOffset + UInt64(length))
      #expect(try LocalHeaderCheck.read(header.prefix(count), of: place) == expected)
    }
  }

  @Test func contradictionsAreRefused() throws {
    let (client, place) = try package(Entry("a name", "the content", isDeflated: true))
    let header = Array(client.bytes[Int(place.headerOffset)...])
    #expect(throws: Never.self) { try LocalHeaderCheck.read(header, of: place) }
    // Signature, method, checksum, both sizes, and lengths that leave no room for the content.
    for field in [0, 8, 14, 18, 22, 27, 29] {
      var wrong = header
      wrong[field] ^= 1
      #expect(throws: ArchiveFailure.self, "byte \(field)") { try LocalHeaderCheck.read(wrong, of: place) }
    }
    var secret = header
    secret[6] |= 1
    let failure = #expect(throws: ArchiveFailure.self) { try LocalHeaderCheck.read(secret, of: place) }
    #expect(failure?.kind == .encrypted)
    let narrow = MemberPlace(
      headerOffset: place.headerOffset, limit: place.limit - 1, compressedSize: place.compressedSize, size: place.size,
      crc32: place.crc32, method: place.method)
    #expect(throws: ArchiveFailure.self) { try LocalHeaderCheck.read(header, of: narrow) }
  }

  @Test func anyPlaceIsSurvived() throws {
    let bytes = ZipBuilder([Entry("a", "1")]).bytes
    for (offset, limit, size) in [
      (UInt64.max, UInt64.max, Int64.max), (0, 0, 0), (5, 2, 0), (.max - 10, .max, 1), (0, .max, .max),
    ] {
      let place = MemberPlace(
        headerOffset: offset, limit: limit, compressedSize: ByteCount(size), size: ByteCount(size), crc32: nil,
        method: 0)
      for count in [0, bytes.count] { _ = try? LocalHeaderCheck.read(bytes.prefix(count), of: place) }
    }
  }
}
