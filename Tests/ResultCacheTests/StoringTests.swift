import Foundation
import Tasks
import TestSupport
import Testing

@testable import ResultCache

@Suite struct StoringTests {
  let fixture: CacheFixture
  let files = [
    SampleFile("a.txt", Array("hello".utf8)), SampleFile("deep/er/b.bin", size: 1_500_000, seed: 2),
    SampleFile("empty", []),
  ]

  init() throws { fixture = try CacheFixture() }

  @Test func whatWasStoredIsReadBackAlsoAfterARestart() async throws {
    let id = try task("one")
    let first: CachedListing
    do {
      let cache = try await fixture.open()
      #expect(try await cache.listing(of: id) == nil)
      first = try await cache.download(id, files)
      #expect(first.state == .complete)
      #expect(first.members.map(\.path) == files.map(\.path))
      #expect(first.totalSize == ByteCount(1_500_005))
      #expect(cache.usage() == CacheUsage(bytes: ByteCount(1_500_005), objects: 3))
    }
    fixture.checksum.reset()
    let cache = try await fixture.open()
    #expect(try await cache.listing(of: id) == first)
    #expect(try await cache.tasks() == [id])
    for file in files { #expect(try await cache.read(file.path.joined(separator: "/"), of: id) == file.bytes) }
    #expect(fixture.checksum.bytes == 0, "what carries its stamp needs no second look")
    #expect(cache.usage() == CacheUsage(bytes: ByteCount(1_500_005), objects: 3))
  }

  @Test func nothingOnDiskCarriesANameAndNobodyElseMayLook() async throws {
    let cache = try await fixture.open()
    try await cache.download(try task("named"), files)
    let paths = FileManager.default.subpaths(atPath: fixture.root) ?? []
    #expect(!paths.contains { $0.contains("txt") || $0.contains("deep") || $0.contains("named") })
    let attributes = try FileManager.default.attributesOfItem(atPath: fixture.root)
    #expect((attributes[.posixPermissions] as? Int) == 0o700)
    #expect((FileManager.default.subpaths(atPath: fixture.root + "/spool") ?? []).isEmpty)
  }

  @Test func attributesSurvive() async throws {
    let id = try task("attributes")
    do {
      let cache = try await fixture.open()
      let writer = try await cache.beginDownload(of: id, expecting: nil, costs: false)
      try await onThread {
        try writer.directory(path: ["dir"], modifiedSeconds: -3, modifiedNanoseconds: 999_999_999)
        try writer.add(files[0], ordinal: 4)
        try writer.fail(SampleFile("dir/secret", size: 77), ordinal: 9)
        _ = try writer.finish()
      }
    }
    let listing = try #require(try await fixture.open().listing(of: id))
    #expect(
      listing.directories == [
        CachedDirectory(path: ["dir"], modifiedSeconds: -3, modifiedNanoseconds: 999_999_999)
      ])
    let expected = [
      CachedMember(
        ordinal: 4, path: ["a.txt"], size: ByteCount(5), modifiedSeconds: 1_600_000_004, modifiedNanoseconds: 5,
        crc32: files[0].crc32, state: .stored),
      CachedMember(
        ordinal: 9, path: ["dir", "secret"], size: ByteCount(77), modifiedSeconds: 1_600_000_000,
        modifiedNanoseconds: 0,
        crc32: nil, state: .failed(reason: "is encrypted", failureKind: "locked")),
    ]
    #expect(listing.members == expected)
    #expect(!listing.billed)
  }

  @Test func aMemberThatFailsLeavesNoBytes() async throws {
    let cache = try await fixture.open()
    let id = try task("failing")
    let writer = try await cache.beginDownload(of: id, expecting: nil, costs: false)
    let file = files[1]
    let listing = try await onThread {
      let object = try writer.begin(file, ordinal: 0)
      try writer.append(file.bytes.prefix(1000))
      try writer.fail(file, ordinal: 0)
      #expect(throws: CacheFailure.self) { try object.duplicateDescriptor() }
      // The archive's directory at its end may disown a member that seemed whole.
      try writer.add(self.files[0], ordinal: 1)
      try writer.fail(self.files[0], ordinal: 1)
      return try writer.finish()
    }
    #expect(listing.members.allSatisfy { $0.state == .failed(reason: "is encrypted", failureKind: "locked") })
    #expect(fixture.objectPaths.isEmpty)
    #expect(cache.usage().objects == 0)
  }

  @Test func aBreakKeepsWhatArrivedWhole() async throws {
    let id = try task("broken")
    let cache = try await fixture.open()
    let writer = try await cache.beginDownload(of: id, expecting: nil, costs: true)
    let listing = try await onThread {
      try writer.add(files[0], ordinal: 0)
      try writer.begin(files[1], ordinal: 1)
      try writer.append(files[1].bytes.prefix(100))
      return try writer.breakOff(reason: "connection lost", word: "unreachable")
    }
    #expect(listing.state == .broken(reason: "connection lost", failureKind: "unreachable"))
    #expect(listing.members.map(\.path) == [["a.txt"]])
    #expect(try await cache.read("a.txt", of: id) == files[0].bytes)
    #expect(fixture.objectPaths.count == 1)
    #expect(throws: CacheFailure.self) { try writer.append(files[0].bytes) }
    writer.abandon()
    #expect(try await cache.listing(of: id) == listing)
  }

  @Test func aSecondDownloadCompletesABrokenOneAndItsReadersGoOn() async throws {
    let id = try task("again")
    let cache = try await fixture.open()
    let broken = try await cache.beginDownload(of: id, expecting: nil, costs: true)
    try await onThread {
      try broken.add(files[1], ordinal: 1)
      _ = try broken.breakOff(reason: "lost", word: "x")
    }
    let member = try #require(try await cache.listing(of: id)?.members.first)
    let old = try await cache.open(member, of: id)
    // Breaks before it reaches that file: the file stays.
    let second = try await cache.beginDownload(of: id, expecting: nil, costs: true)
    try await onThread {
      try second.add(files[0], ordinal: 0)
      _ = try second.breakOff(reason: "lost again", word: "x")
    }
    #expect(try await cache.listing(of: id)?.members.map(\.path) == [["a.txt"], ["deep", "er", "b.bin"]])
    #expect(try await cache.read("deep/er/b.bin", of: id) == files[1].bytes)
    let complete = try await cache.download(id, files)
    #expect(complete.members.map(\.ordinal) == [0, 1, 2])
    #expect(complete.members.first { $0.path == member.path } == member, "nothing about the file has changed")
    #expect(try contents(of: old.descriptor, count: files[1].bytes.count) == files[1].bytes)
    #expect(fixture.objectPaths.count == 3)
  }

  @Test func abandoningLeavesWhatWasThere() async throws {
    let id = try task("abandoned")
    let cache = try await fixture.open()
    let first = try await cache.beginDownload(of: id, expecting: nil, costs: true)
    first.abandon()
    #expect(try await cache.listing(of: id) == nil)
    #expect(try fixture.index { try Int.fetchOne($0, sql: "SELECT count(*) FROM task") } == 0)
    let listing = try await cache.download(id, files)
    let second = try await cache.beginDownload(of: id, expecting: nil, costs: true)
    second.abandon()
    #expect(try await cache.listing(of: id) == listing)
    #expect(try await cache.read("a.txt", of: id) == files[0].bytes)
    #expect((FileManager.default.subpaths(atPath: fixture.root + "/spool") ?? []).isEmpty)
  }

  @Test func theTimeOfARepeatedDownloadOfTheSameArchiveStays() async throws {
    let id = try task("stable")
    let cache = try await fixture.open()
    let first = try await cache.download(id, files)
    _ = try await cache.evict(id)
    fixture.world.goOn()
    #expect(try await cache.download(id, files) == first)
    fixture.world.goOn()
    var changed = files
    changed[0] = SampleFile("a.txt", Array("HELLO".utf8))
    #expect(try await cache.download(id, changed).downloadedAt > first.downloadedAt)
  }
}
