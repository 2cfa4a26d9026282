import Foundation
import GRDB
import Tasks
import TestSupport
import Testing

@testable import ResultCache

@Suite struct PackageTests {
  let fixture: CacheFixture
  let files = (0..<3).map { SampleFile("f\($0)", size: block * (3 + $0) + 9, seed: UInt64($0)) }

  init() throws { fixture = try CacheFixture() }

  @Test func aLongDirectoryIsListed() async throws {
    let cache = try await fixture.open()
    let id = try task("long", source: "pixxel")
    let many = (0..<2_500).map { SampleFile("d/\($0)", [UInt8($0 & 255)]) }
    let listing = try await cache.list(id, many)
    #expect(listing.members.count == 2_500)
    #expect(listing.members.map(\.path) == many.map(\.path))
    #expect(try await fixture.open().listing(of: id) == listing)
  }

  @Test func anotherLookAtTheSameVersionKeepsEverything() async throws {
    let cache = try await fixture.open()
    let id = try task("same", source: "pixxel")
    let first = try await cache.list(id, files)
    let whole = try await cache.sparse("f0", of: id)
    try await whole.fetch(whole.whole, from: files[0])
    try await whole.complete(contentChecksum: sampleChecksum)
    let part = try await cache.sparse("f1", of: id)
    try await part.fetch(range(0..<2, of: files[1]), from: files[1])
    try part.seekPoints.add(SeekPoint(consumed: 1, produced: 2, snapshot: [3]))
    fixture.world.goOn()
    let second = try await cache.list(id, files)
    #expect(second.downloadedAt == first.downloadedAt)
    #expect(second.members.map(\.state) == [.stored, .evicted, .evicted])
    #expect(try await cache.read("f0", of: id) == files[0].bytes)
    let again = try await cache.sparse("f1", of: id)
    #expect(again === part)
    #expect(again.missing(in: again.whole) == [range(2..<5, of: files[1])])
    #expect(try again.seekPoints.nearest(atOrBefore: 5)?.snapshot == [3])
  }

  @Test(arguments: [true, false])
  func anotherVersionKeepsNothing(isPackage: Bool) async throws {
    let cache = try await fixture.open()
    let id = try task("other", source: "pixxel")
    try await cache.list(id, files)
    let whole = try await cache.sparse("f0", of: id)
    try await whole.fetch(whole.whole, from: files[0])
    try await whole.complete(contentChecksum: sampleChecksum)
    let part = try await cache.sparse("f1", of: id)
    try await part.fetch(range(0..<2, of: files[1]), from: files[1])
    try part.seekPoints.add(SeekPoint(consumed: 1, produced: 2, snapshot: [3]))
    let before = try await cache.version(of: id)
    let listing = try await cache.list(id, files, version: isPackage ? .second : nil)
    #expect(listing.package == (isPackage ? .second : nil))
    #expect(listing.members.map(\.state) == [.evicted, .evicted, .evicted])
    #expect(try await cache.version(of: id) != before)
    #expect(fixture.objectPaths.isEmpty)
    #expect(cache.usage().bytes == .zero)
    // Who still has the old content reads it to the end, and nothing of it gets into the new.
    #expect(try part.bytes(range(0..<2, of: files[1])) == Array(files[1].bytes[..<(2 * block)]))
    try await part.fetch(part.whole, from: files[1])
    let failure = await #expect(throws: CacheFailure.self) { try await part.complete(contentChecksum: sampleChecksum) }
    #expect(failure?.kind == .notFound)
    try part.seekPoints.add(SeekPoint(consumed: 1, produced: 2, snapshot: [3]))
    let fresh = try await cache.sparse("f1", of: id)
    #expect(fresh !== part)
    #expect(fresh.presentBytes == .zero)
    #expect(try fresh.seekPoints.nearest(atOrBefore: 5) == nil)
  }

  @Test func aPackageThatChangedIsForgotten() async throws {
    let cache = try await fixture.open()
    let id = try task("dropped", source: "pixxel")
    try await cache.list(id, files)
    let object = try await cache.sparse("f1", of: id)
    try await object.fetch(object.whole, from: files[1])
    let before = try await cache.version(of: id)
    try await cache.setPinned(true, id)
    try await cache.dropPackage(of: id, version: .second)
    #expect(try await cache.version(of: id) == before, "it is not of that version")
    try await cache.dropPackage(of: id, version: .first)
    #expect(try await cache.listing(of: id) == nil)
    #expect(try await cache.version(of: id) == nil)
    #expect(fixture.objectPaths.isEmpty)
    #expect(cache.usage() == CacheUsage(bytes: .zero, objects: 0))
    try await cache.dropPackage(of: id, version: .first)
    try await cache.dropPackage(of: try task("unknown"), version: .first)
    #expect(try await cache.pinnedTasks() == [id], "what comes back is kept")
    try await cache.list(id, files)
    #expect(try await cache.version(of: id) != before)
    await #expect(throws: CacheFailure.self) {
      try await cache.dropPackage(of: id, version: .second); throw CacheFailure(.io, "")
    }
    #expect(try await cache.listing(of: id) != nil)
  }

  @Test func aListingThatCrashedChangesNothing() async throws {
    let id = try task("crashed", source: "pixxel")
    do {
      let cache = try await fixture.open()
      try await cache.list(id, files)
      let object = try await cache.sparse("f1", of: id)
      try await object.fetch(object.whole, from: files[1])
      let writer = try await cache.beginDownload(of: id, expecting: nil, costs: false)
      writer.listPackage(.second)
      for ordinal in 0..<1_500 {
        try writer.listMember(
          ordinal: ordinal, path: ["\(ordinal)"], size: .zero, modifiedSeconds: 0, modifiedNanoseconds: 0, crc32: 0,
          place: files[0].place(ordinal))
      }
    }
    let cache = try await fixture.open()
    let listing = try #require(try await cache.listing(of: id))
    #expect(listing.state == .complete)
    #expect(listing.package == .first)
    #expect(listing.members.count == 3)
    #expect(try await cache.sparse("f1", of: id).presentBytes == ByteCount(files[1].bytes.count))
  }

  @Test func whatWasListedIsAlsoKeptWhenMembersComeWhole() async throws {
    let cache = try await fixture.open()
    let id = try task("mixed", source: "pixxel")
    let writer = try await cache.beginDownload(of: id, expecting: nil, costs: false)
    writer.listPackage(.first)
    let files = files
    let listing = try await onThread {
      try writer.add(files[0], ordinal: 0)
      try writer.listMember(
        ordinal: 1, path: files[1].path, size: ByteCount(files[1].bytes.count), modifiedSeconds: 0,
        modifiedNanoseconds: 0,
        crc32: nil, place: nil)
      return try writer.finish()
    }
    #expect(listing.members.map(\.state) == [.stored, .evicted])
    #expect(listing.package == .first)
    #expect(try await cache.read("f0", of: id) == files[0].bytes)
  }

  @Test func seekPointsAreFoundAgainAndDamagedOnesAreNot() async throws {
    let id = try task("points", source: "pixxel")
    let points = (1..<6).map {
      SeekPoint(
        consumed: UInt64($0 * 40), produced: UInt64($0 * 100),
        snapshot: SampleFile("s", size: $0 * 3_000, seed: UInt64($0)).bytes)
    }
    do {
      let cache = try await fixture.open()
      try await cache.list(id, files)
      let object = try await cache.sparse("f1", of: id)
      #expect(try object.seekPoints.nearest(atOrBefore: 1_000) == nil)
      for point in points.reversed() { try object.seekPoints.add(point) }
      try object.seekPoints.add(points[0])
      try await object.fetch(object.whole, from: files[1])
      #expect(try object.seekPoints.nearest(atOrBefore: 99) == nil)
      #expect(try object.seekPoints.nearest(atOrBefore: 100) == points[0])
      #expect(try object.seekPoints.nearest(atOrBefore: 499) == points[3])
      // Content goes, and they stay.
      try fixture.index { db in try db.execute(sql: "UPDATE object SET size = size") }
    }
    let cache = try await fixture.open()
    let other = try await fixture.open()
    let object = try await cache.sparse("f1", of: id)
    let second = try await other.sparse("f1", of: id)
    #expect(try object.seekPoints.nearest(atOrBefore: .max) == points[4])
    let added = SeekPoint(consumed: 999, produced: 450, snapshot: [1, 2, 3])
    try second.seekPoints.add(added)
    #expect(try object.seekPoints.nearest(atOrBefore: 460) == added, "another process added it")
    for cache in [cache, other] { await cache.settle() }
    let usage = try fixture.usage()
    #expect(usage.counted == usage.real)
    // A damaged head, a damaged snapshot, a torn end.
    let path = try pointsPath()
    try flipByte(at: 10, of: path)
    try flipByte(at: try offset(of: points[2], in: path) + 100, of: path)
    let handle = try #require(FileHandle(forWritingAtPath: path))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(repeating: 7, count: 1_000))
    try handle.close()
    let third = try await fixture.open()
    let found = try await third.sparse("f1", of: id).seekPoints
    #expect(try found.nearest(atOrBefore: .max) == added, "the first record is damaged")
    #expect(try found.nearest(atOrBefore: 399) == points[1], "so is the one at 300")
    let last = SeekPoint(consumed: 5, produced: 600, snapshot: [9])
    try found.add(last)
    #expect(try found.nearest(atOrBefore: .max) == last)
    #expect(try object.seekPoints.nearest(atOrBefore: .max) == last)
    #expect(try await third.evict(id) > .zero)
    #expect(fixture.objectPaths.isEmpty)
  }

  private func pointsPath() throws -> String {
    try fixture.index { db in
      let name = try #require(try String.fetchOne(db, sql: "SELECT name FROM points"))
      return try #require(fixture.objectPaths.first { $0.hasSuffix(name) })
    }
  }

  private func offset(of point: SeekPoint, in path: String) throws -> UInt64 {
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    return UInt64(try #require(bytes.range(of: Data(point.snapshot))).lowerBound)
  }
}
