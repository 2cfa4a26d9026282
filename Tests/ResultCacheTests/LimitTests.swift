import Foundation
import Glibc
import Tasks
import TestSupport
import Testing

@testable import ResultCache

@Suite struct LimitTests {
  let fixture: CacheFixture

  init() throws { fixture = try CacheFixture() }

  private func file(_ size: Int) -> SampleFile { SampleFile("f", [UInt8](repeating: 7, count: size)) }

  private func stored(_ cache: ResultCache, _ ids: [TaskPath]) async throws -> [TaskPath] {
    var stored: [TaskPath] = []
    for id in ids where try await cache.listing(of: id)?.members.first?.state == .stored { stored.append(id) }
    return stored
  }

  @Test func whatIsFreeAndUnusedLongestGoesFirst() async throws {
    let cache = try await fixture.open(maxSize: 400_000)
    let paid = try task("paid")
    let free = try ["a", "b", "c"].map { try task($0, source: "pixxel") }
    try await cache.download(paid, [file(100_000)])
    for id in free {
      fixture.world.goOn()
      try await cache.download(id, [file(100_000)], costs: false)
    }
    fixture.world.goOn()
    #expect(try await cache.read("f", of: free[0]).count == 100_000)
    try await cache.download(try task("next"), [file(100_000)])
    #expect(try await stored(cache, [paid] + free) == [paid, free[0], free[2]])
    try await cache.download(try task("next2"), [file(200_000)])
    #expect(try await stored(cache, [paid] + free) == [paid])
    try await cache.download(try task("next3"), [file(100_000)])
    #expect(try await stored(cache, [paid]) == [])
    #expect(cache.usage().bytes <= ByteCount(400_000))
  }

  @Test func evictionKeepsTheListing() async throws {
    let cache = try await fixture.open()
    let id = try task("evicted")
    let listing = try await cache.download(id, [file(1234)])
    #expect(try await cache.evict(id) == ByteCount(1234))
    let after = try #require(try await cache.listing(of: id))
    #expect(after.members.map(\.state) == [.evicted])
    #expect(after.state == .complete)
    #expect(after.totalSize == listing.totalSize)
    #expect(await cache.failure(reading: "f", of: id) == .notFound)
    #expect(fixture.objectPaths.isEmpty)
    #expect(try await cache.evict(id) == .zero)
    #expect(try await cache.evict(try task("unknown")) == .zero)
  }

  @Test func aRunningDownloadIsNotEvicted() async throws {
    let cache = try await fixture.open()
    let id = try task("running")
    let writer = try await cache.beginDownload(of: id, expecting: nil, costs: true)
    await #expect(throws: CacheFailure.self) { try await cache.evict(id) }
    writer.abandon()
  }

  @Test func pinnedContentStays() async throws {
    let cache = try await fixture.open(maxSize: 100_000)
    let pinned = try task("pinned", source: "pixxel")
    try await cache.download(pinned, [file(60_000)], costs: false)
    try await cache.setPinned(true, pinned)
    await #expect(throws: CacheFailure.self) { try await cache.download(try task("big"), [self.file(60_000)]) }
    #expect(try await stored(cache, [pinned]) == [pinned])
    try await cache.setPinned(false, pinned)
    try await cache.download(try task("big"), [file(60_000)])
    #expect(try await stored(cache, [pinned]).isEmpty)
  }

  @Test func whatIsBeingReadGoesLast() async throws {
    let cache = try await fixture.open(maxSize: 100_000)
    // Another cache object stands for another process.
    let other = try await fixture.open()
    let read = try task("read")
    let idle = try task("idle")
    try await cache.download(read, [file(40_000)])
    fixture.world.goOn()
    try await cache.download(idle, [file(40_000)])
    let member = try #require(try await other.listing(of: read)?.members.first)
    let descriptor = try await other.open(member, of: read).duplicateDescriptor()
    try await cache.download(try task("next"), [file(40_000)])
    #expect(try await stored(cache, [read, idle]) == [read])
    // Where nothing else is left it goes too, and its reader notices nothing.
    try await cache.download(try task("large"), [file(90_000)])
    #expect(try await stored(cache, [read, idle]).isEmpty)
    #expect(try contents(of: descriptor, count: 40_000) == file(40_000).bytes)
    close(descriptor)
  }

  @Test func whatCannotFitIsRefusedBeforeItBegins() async throws {
    let cache = try await fixture.open(maxSize: 100_000)
    let old = try task("old")
    try await cache.download(old, [file(50_000)])
    let failure = await #expect(throws: CacheFailure.self) {
      try await cache.beginDownload(of: try task("huge"), expecting: ByteCount(100_001), costs: true)
    }
    #expect(failure?.kind == .noSpace)
    #expect(failure?.reason.contains("max_size") == true)
    #expect(try await stored(cache, [old]) == [old])
    #expect(try await cache.listing(of: try task("huge")) == nil)
    let absurd = await #expect(throws: CacheFailure.self) {
      try await cache.beginDownload(of: try task("absurd"), expecting: ByteCount(Int64.max), costs: true)
    }
    #expect(absurd?.kind == .noSpace)
  }

  @Test func anExpectedSizeEvictsNothingByItself() async throws {
    let cache = try await fixture.open(maxSize: 100_000)
    let old = try task("old")
    try await cache.download(old, [file(50_000)])
    // Assumed to be large, turns out to be small.
    try await cache.download(try task("new"), [file(10_000)], expecting: 90_000)
    #expect(try await stored(cache, [old]) == [old])
  }

  @Test func twoDownloadsDoNotShareTheSameRoom() async throws {
    let cache = try await fixture.open(maxSize: 100_000)
    let other = try await fixture.open(maxSize: 100_000)
    let first = try await cache.beginDownload(of: try task("first"), expecting: ByteCount(60_000), costs: true)
    let failure = await #expect(throws: CacheFailure.self) {
      try await other.beginDownload(of: try task("second"), expecting: ByteCount(60_000), costs: true)
    }
    #expect(failure?.kind == .noSpace)
    first.abandon()
    try await other.download(try task("second"), [file(60_000)], expecting: 60_000)
  }

  @Test func aDownloadThatOutgrowsTheCacheKeepsWhatFitted() async throws {
    let cache = try await fixture.open(maxSize: 100_000)
    let id = try task("outgrowing")
    let writer = try await cache.beginDownload(of: id, expecting: nil, costs: true)
    let listing = try await onThread {
      try writer.add(SampleFile("a", [UInt8](repeating: 1, count: 70_000)), ordinal: 0)
      let failure = #expect(throws: CacheFailure.self) {
        try writer.add(SampleFile("b", [UInt8](repeating: 2, count: 70_000)), ordinal: 1, step: 1000)
      }
      #expect(failure?.kind == .noSpace)
      return try writer.breakOff(reason: "full", word: "noSpace")
    }
    #expect(listing.members.map(\.path) == [["a"]])
    #expect(cache.usage().bytes == ByteCount(70_000))
    #expect(try await cache.read("a", of: id).count == 70_000)
  }

  @Test func theDiskKeepsItsFreeBytes() async throws {
    let cache = try await fixture.open(minFree: 2_000_000)
    fixture.world.setSize(3_000_000)
    let old = try task("old")
    try await cache.download(old, [file(500_000)])
    fixture.world.goOn()
    let failure = await #expect(throws: CacheFailure.self) {
      try await cache.beginDownload(of: try task("huge"), expecting: ByteCount(1_100_000), costs: true)
    }
    #expect(failure?.kind == .noSpace)
    #expect(failure?.reason.contains("min_free") == true)
    try await cache.download(try task("fits"), [file(400_000)], expecting: 400_000)
    #expect(try await stored(cache, [old]) == [old])
    try await cache.download(try task("fits too"), [file(300_000)], expecting: 300_000)
    #expect(try await stored(cache, [old]).isEmpty)
    // Somebody else fills the disk while a download runs.
    let writer = try await cache.beginDownload(of: try task("unlucky"), expecting: ByteCount(200_000), costs: true)
    try await cache.setPinned(true, try task("fits"))
    try await cache.setPinned(true, try task("fits too"))
    fixture.world.setSize(2_700_000)
    let late = #expect(throws: CacheFailure.self) { try writer.add(file(200_000), ordinal: 0) }
    #expect(late?.kind == .noSpace)
    writer.abandon()
  }
}

/// A disk that is really full. Needs the right to mount; says so where it is missing.
@Suite struct FullDiskTests {
  /// Runs `body` with a small disk of its own.
  private func withDisk(_ body: (CacheFixture, _ root: String) async throws -> Void) async throws {
    let fixture = try CacheFixture()
    let disk = fixture.directory.file("disk")
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    guard mount("tollfs-test", disk, "tmpfs", 0, "size=8m") == 0 else {
      print("skipped: no right to mount a tmpfs (errno \(errno))")
      return
    }
    defer { umount2(disk, Int32(MNT_DETACH)) }
    try await body(fixture, disk + "/cache")
  }

  private func file(_ name: String, _ megabytes: Int, _ byte: UInt8) -> SampleFile {
    SampleFile(name, [UInt8](repeating: byte, count: megabytes * 1_000_000))
  }

  @Test func aDiskThatFillsUpBreaksADownloadAndNothingElse() async throws {
    try await withDisk { fixture, root in
      let cache = try await ResultCache(
        directory: root, limits: CacheLimits(maxSize: ByteCount(1 << 40), minFree: .zero),
        checksum: fixture.checksum.function, logger: fixture.log.logger)
      let kept = try task("kept")
      let free = try task("free", source: "pixxel")
      try await cache.download(kept, [file("f", 1, 1)])
      try await cache.setPinned(true, kept)
      try await cache.download(free, [file("f", 2, 2)], costs: false)
      let id = try task("large")
      let writer = try await cache.beginDownload(of: id, expecting: nil, costs: true)
      let listing = try await onThread {
        try writer.add(file("a", 2, 3), ordinal: 0)
        // Fits only once the free one has gone.
        try writer.add(file("b", 2, 4), ordinal: 1)
        let failure = #expect(throws: CacheFailure.self) { try writer.add(file("c", 4, 5), ordinal: 2) }
        #expect(failure?.kind == .noSpace)
        return try writer.breakOff(reason: "full", word: "noSpace")
      }
      #expect(listing.members.map(\.path) == [["a"], ["b"]])
      #expect(try await cache.read("b", of: id) == file("b", 2, 4).bytes)
      #expect(try await cache.read("f", of: kept) == file("f", 1, 1).bytes)
      #expect(await cache.failure(reading: "f", of: free) == .notFound)
    }
  }

  @Test func aDiskThatOthersFilledMeanwhileIsNoDisaster() async throws {
    try await withDisk { fixture, root in
      // The fake world believes that there is room without end: the first to notice is write(2).
      let cache = try await fixture.open(at: root)
      let kept = try task("kept")
      try await cache.download(kept, [file("f", 1, 1)])
      let id = try task("large")
      let writer = try await cache.beginDownload(of: id, expecting: nil, costs: true)
      let listing = try await onThread {
        try writer.add(file("a", 2, 3), ordinal: 0)
        let failure = #expect(throws: CacheFailure.self) { try writer.add(file("b", 8, 4), ordinal: 1) }
        #expect(failure?.kind == .noSpace)
        return try writer.breakOff(reason: "full", word: "noSpace")
      }
      #expect(listing.members.map(\.path) == [["a"]])
      #expect(try await cache.read("a", of: id) == file("a", 2, 3).bytes)
    }
  }

  /// Takes what is left of a disk, to the last byte.
  private func fill(_ path: String) throws {
    let file = Glibc.open(path, O_WRONLY | O_CREAT, 0o600)
    #expect(file >= 0)
    defer { close(file) }
    for step in [65_536, 4_096, 1] {
      let bytes = [UInt8](repeating: 1, count: step)
      while write(file, bytes, step) > 0 {}
    }
  }

  @Test func onAFullDiskListingsAreReadAndAnEvictionIsWritten() async throws {
    try await withDisk { fixture, root in
      let limits = CacheLimits(maxSize: ByteCount(1 << 40), minFree: .zero)
      func open() async throws -> ResultCache {
        try await ResultCache(
          directory: root, limits: limits, checksum: fixture.checksum.function, logger: fixture.log.logger)
      }
      let (id, other) = (try task("kept"), try task("other"))
      do {
        let cache = try await open()
        for id in [id, other] { try await cache.download(id, [file("f", 1, 1)]) }
      }
      let filler = root + "/../filler"
      try fill(filler)
      do {
        // As a mount that begins: the log of the index must be made anew.
        let cache = try await open()
        #expect(try await cache.listing(of: id)?.members.map(\.state) == [.stored])
        #expect(try await cache.read("f", of: id).count == 1_000_000)
        try fill(filler)
        #expect(try await cache.evict(id) == ByteCount(1_000_000))
        #expect(try await cache.listing(of: id)?.members.map(\.state) == [.evicted])
      }
      // There is space now, and so there is a reserve again.
      #expect(unlink(filler) == 0)
      let cache = try await open()
      try fill(filler)
      #expect(try await cache.evict(other) == ByteCount(1_000_000))
    }
  }
}
