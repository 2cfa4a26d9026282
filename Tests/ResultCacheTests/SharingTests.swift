import Foundation
import Glibc
import Tasks
import TestSupport
import Testing

@testable import ResultCache

@Suite struct GrowingObjectTests {
  let fixture: CacheFixture
  let file = SampleFile("growing", size: 200_000, seed: 5)

  init() throws { fixture = try CacheFixture() }

  @Test(arguments: [true, false])
  func manyReadersSeeEveryByteAsItArrives(sizeKnown: Bool) async throws {
    let cache = try await fixture.open()
    let writer = try await cache.beginDownload(of: try task("grow"), expecting: nil, costs: true)
    let object = try writer.begin(file, ordinal: 0, sizeKnown: sizeKnown)
    #expect(object.size == (sizeKnown ? UInt64(file.bytes.count) : nil))
    let readers = (0..<8).map { reader in
      Task { () throws -> [UInt8] in
        let descriptor = try object.duplicateDescriptor()
        defer { close(descriptor) }
        var read: [UInt8] = []
        while true {
          let count = try await object.waitFor(offset: UInt64(read.count), count: 1_000 * (reader + 1))
          if count == 0 { return read }
          let part = try contents(of: descriptor, at: read.count, count: count)
          try #require(part.count == count, "what was promised is there")
          read += part
        }
      }
    }
    try await onThread {
      for start in stride(from: 0, to: file.bytes.count, by: 7_000) {
        try writer.append(file.bytes[start..<min(start + 7_000, file.bytes.count)])
        usleep(500)
      }
      try writer.endMember(crc32: file.crc32, size: ByteCount(file.bytes.count))
    }
    for reader in readers { #expect(try await reader.value == file.bytes) }
    #expect(object.isComplete)
    _ = try writer.finish()
    let late = try object.duplicateDescriptor()
    defer { close(late) }
    #expect(try contents(of: late, count: file.bytes.count) == file.bytes)
  }

  @Test func theLastBytesWaitForTheVerdict() async throws {
    let cache = try await fixture.open()
    let writer = try await cache.beginDownload(of: try task("verdict"), expecting: nil, costs: true)
    let object = try writer.begin(file, ordinal: 0)
    try writer.append(file.bytes)
    #expect(try await object.waitFor(offset: 0, count: 199_999) == 199_999)
    let last = Task { try await object.waitFor(offset: 199_000, count: 1_000) }
    let beyond = Task { try await object.waitFor(offset: 500_000, count: 10) }
    try writer.fail(file, ordinal: 0)
    await #expect(throws: CacheFailure.self) { try await last.value }
    await #expect(throws: CacheFailure.self) { try await beyond.value }
    writer.abandon()
  }

  @Test func aCancelledReaderLeavesAtOnceAndAlone() async throws {
    let cache = try await fixture.open()
    let writer = try await cache.beginDownload(of: try task("cancel"), expecting: nil, costs: true)
    let object = try writer.begin(file, ordinal: 0)
    let patient = Task { try await object.waitFor(offset: 0, count: 200_000) }
    let readers = (0..<50).map { _ in Task { try await object.waitFor(offset: 100, count: 10) } }
    for reader in readers { reader.cancel() }
    for reader in readers {
      let failure = await #expect(throws: CacheFailure.self) { try await reader.value }
      #expect(failure?.kind == .cancelled)
    }
    try writer.append(file.bytes)
    try writer.endMember(crc32: file.crc32, size: ByteCount(file.bytes.count))
    #expect(try await patient.value == 200_000)
    _ = try writer.finish()
  }

  @Test func aLostWriterFailsItsReaders() async throws {
    let cache = try await fixture.open()
    var writer: DownloadWriter? = try await cache.beginDownload(of: try task("lost"), expecting: nil, costs: true)
    let object = try #require(try writer?.begin(file, ordinal: 0))
    let reader = Task { try await object.waitFor(offset: 0, count: 1) }
    writer = nil
    await #expect(throws: CacheFailure.self) { try await reader.value }
  }

  @Test func aWrongSizeIsRefused() async throws {
    let cache = try await fixture.open()
    let writer = try await cache.beginDownload(of: try task("short"), expecting: nil, costs: true)
    let object = try writer.begin(file, ordinal: 0)
    try writer.append(file.bytes.dropLast())
    #expect(throws: CacheFailure.self) {
      try writer.endMember(crc32: file.crc32, size: ByteCount(file.bytes.count))
    }
    #expect(throws: CacheFailure.self) { try object.duplicateDescriptor() }
    #expect(try writer.breakOff(reason: "short", word: "x").members.isEmpty)
    #expect(fixture.objectPaths.isEmpty)
  }
}

@Suite struct TwoProcessesTests {
  let fixture: CacheFixture
  let file = SampleFile("f", size: 10_000, seed: 6)

  init() throws { fixture = try CacheFixture() }

  @Test func theSecondWaitsForTheFirstAndFindsItsResults() async throws {
    let id = try task("both")
    let one = try await fixture.open()
    let two = try await fixture.open()
    let first = try await one.beginDownload(of: id, expecting: nil, costs: true)
    let second = Task { () -> CachedListing? in
      let writer = try await two.beginDownload(of: id, expecting: nil, costs: true)
      defer { writer.abandon() }
      return try await two.listing(of: id)
    }
    // Other tasks need not wait.
    try await two.download(try task("other"), [file])
    try first.add(file, ordinal: 0)
    let listing = try first.finish()
    #expect(try await second.value == listing)
    #expect(try await two.read("f", of: id) == file.bytes)
    #expect(try await one.tasks() == [id, try task("other")])
  }

  @Test func whoWaitsCanGiveUp() async throws {
    let id = try task("waiting")
    let one = try await fixture.open()
    let two = try await fixture.open()
    let writer = try await one.beginDownload(of: id, expecting: nil, costs: true)
    let second = Task { try await two.beginDownload(of: id, expecting: nil, costs: true) }
    second.cancel()
    let failure = await #expect(throws: CacheFailure.self) { try await second.value }
    #expect(failure?.kind == .cancelled)
    writer.abandon()
  }

  @Test func oneAtATimeWhateverTheNumber() async throws {
    let id = try task("crowd")
    let caches = [try await fixture.open(), try await fixture.open(), try await fixture.open()]
    let downloads = try await withThrowingTaskGroup(of: Int.self) { group in
      for index in 0..<12 {
        group.addTask {
          let cache = caches[index % caches.count]
          let writer = try await cache.beginDownload(of: id, expecting: nil, costs: true)
          defer { writer.abandon() }
          if try await cache.listing(of: id)?.state == .complete { return 0 }
          try await onThread {
            try writer.add(self.file, ordinal: 0)
            _ = try writer.finish()
          }
          return 1
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(downloads == 1)
  }

  @Test func whatOneEvictsTheOtherNoLongerFinds() async throws {
    let id = try task("gone")
    let one = try await fixture.open()
    let two = try await fixture.open()
    try await one.download(id, [file])
    let member = try #require(try await two.listing(of: id)?.members.first)
    let held = try await two.open(member, of: id)
    _ = try await one.evict(id)
    let failure = await #expect(throws: CacheFailure.self) { try await two.open(member, of: id) }
    #expect(failure?.kind == .notFound)
    #expect(try contents(of: held.descriptor, count: 10_000) == file.bytes)
  }
}
