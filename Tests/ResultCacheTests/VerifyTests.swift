import Foundation
import Synchronization
import Tasks
import TestSupport
import Testing

@testable import ResultCache

@Suite struct VerifyTests {
  let fixture: CacheFixture
  let file = SampleFile("d/data.bin", size: 1_300_000, seed: 3)
  let small = SampleFile("small.txt", Array("small".utf8))
  let empty = SampleFile("empty.txt", [])

  init() throws { fixture = try CacheFixture() }

  /// The fixture's checksum of files, continuing.
  private let whole: Checksum = { bytes, continuing in
    bytes.reduce(continuing == 0 ? 7 : continuing) { ($0 &+ UInt32($1)) &* 31 }
  }

  private func path(ofSize size: Int) throws -> String {
    try #require(
      fixture.objectPaths.first {
        (try? FileManager.default.attributesOfItem(atPath: $0)[.size] as? Int) == size
      })
  }

  @Test func everyByteIsReadWhateverTheStampSays() async throws {
    let id = try task("healthy")
    let cache = try await fixture.open()
    try await cache.download(id, [file, small])
    fixture.checksum.reset()
    let last = Mutex<VerificationProgress?>(nil)
    for _ in 0..<2 {
      let report = try #require(
        try await cache.verify(id, contentChecksum: whole) { progress in last.withLock { $0 = progress } })
      #expect(report.files == 2)
      #expect(report.bytes == ByteCount(file.bytes.count + small.bytes.count))
      #expect(report.damaged.isEmpty && report.unreadable.isEmpty && report.evicted == 0)
    }
    #expect(fixture.checksum.bytes == 2 * (file.bytes.count + small.bytes.count))
    let progress = try #require(last.withLock { $0 })
    #expect(progress.files == 2)
    #expect(progress.checked == progress.total)
    #expect(try await cache.verify(try task("unknown"), contentChecksum: whole) == nil)
  }

  @Test func damageThatNoStampTellsIsFoundAndMarked() async throws {
    let id = try task("rotten")
    let cache = try await fixture.open()
    try await cache.download(id, [file, small, empty])
    waitForNextTick()
    let path = try path(ofSize: file.bytes.count)
    try flipByte(at: 1_200_000, of: path)
    // A disk that rots changes no stamp.
    var status = stat()
    #expect(stat(path, &status) == 0)
    let stamp = ObjectStamp(status)
    try fixture.index {
      try $0.execute(
        sql: "UPDATE object SET durable = 1, inode = ?, stamped_size = ?, changed = ? WHERE size = 1300000",
        arguments: [stamp.inode, stamp.size, stamp.changed])
    }
    #expect(await cache.failure(reading: "d/data.bin", of: id) == nil, "opens trust the stamp")
    let before = try await cache.version(of: id)
    for _ in 0..<2 {
      let report = try #require(try await cache.verify(id, contentChecksum: nil))
      #expect(report.damaged.map(\.path) == [["d", "data.bin"]])
      #expect(report.damaged.first?.reason.contains("damaged between bytes 1048576 and 1300000") == true)
      #expect(report.files == 2)
    }
    #expect(await cache.failure(reading: "d/data.bin", of: id) == .damaged)
    #expect(await cache.failure(reading: "small.txt", of: id) == nil)
    #expect(try await cache.version(of: id) != before)
  }

  @Test func aLostFileIsDamagedAndAnEvictedOneIsNot() async throws {
    let cache = try await fixture.open()
    let (lost, evicted) = (try task("lost"), try task("evicted"))
    try await cache.download(lost, [file, small])
    #expect(unlink(try path(ofSize: small.bytes.count)) == 0)
    try await cache.download(evicted, [SampleFile("other", size: 10)])
    _ = try await cache.evict(evicted)
    let report = try #require(try await cache.verify(lost, contentChecksum: whole))
    #expect(report.damaged.map(\.path) == [["small.txt"]])
    #expect(report.damaged.first?.reason.contains("disappeared") == true)
    let other = try #require(try await cache.verify(evicted, contentChecksum: whole))
    #expect(other.evicted == 1)
    #expect(other.damaged.isEmpty)
  }

  @Test func aFileIsComparedWithTheChecksumThatItCameWith() async throws {
    let id = try task("mixed up")
    let cache = try await fixture.open()
    try await cache.download(id, [file, small])
    try fixture.index { try $0.execute(sql: "UPDATE member SET crc32 = crc32 + 1 WHERE path = 'small.txt'") }
    let report = try #require(try await cache.verify(id, contentChecksum: whole))
    #expect(report.damaged.map(\.path) == [["small.txt"]])
  }

  @Test func evictionStopsAtAPinUnlessItIsForced() async throws {
    let id = try task("pinned")
    let cache = try await fixture.open()
    #expect(try await !cache.setPinned(true, id), "nothing is known of it")
    try await cache.download(id, [file])
    let before = try await cache.version(of: id)
    #expect(try await cache.setPinned(true, id))
    #expect(try await cache.pinnedTasks() == [id])
    await #expect(throws: CacheFailure(.pinned, "screenplay/pinned is pinned")) { try await cache.evict(id) }
    #expect(try await cache.read("d/data.bin", of: id) == file.bytes)
    #expect(try await cache.version(of: id) == before)
    #expect(try await cache.evict(id, evenPinned: true) == ByteCount(file.bytes.count))
    #expect(try await cache.version(of: id) != before)
    #expect(try await cache.pinnedTasks() == [id])
    try await cache.setPinned(false, id)
    #expect(try await cache.pinnedTasks() == [])
  }
}
