import Foundation
import GRDB
import Tasks
import TestSupport
import Testing

@testable import ResultCache

@Suite struct IntegrityTests {
  let fixture: CacheFixture
  let file = SampleFile("data.bin", size: 1_300_000, seed: 3)
  let small = SampleFile("small.txt", Array("small".utf8))

  init() throws { fixture = try CacheFixture() }

  private func path(ofSize size: Int) throws -> String {
    try #require(
      fixture.objectPaths.first {
        (try? FileManager.default.attributesOfItem(atPath: $0)[.size] as? Int) == size
      })
  }

  @Test func aTouchedFileIsCheckedOnceAndTrustedAgain() async throws {
    let id = try task("touched")
    let cache = try await fixture.open()
    try await cache.download(id, [file])
    fixture.checksum.reset()
    waitForNextTick()
    #expect(chmod(try path(ofSize: file.bytes.count), 0o400) == 0)
    #expect(try await cache.read("data.bin", of: id) == file.bytes)
    #expect(fixture.checksum.bytes == file.bytes.count)
    #expect(try await cache.read("data.bin", of: id) == file.bytes)
    #expect(fixture.checksum.bytes == file.bytes.count, "the second open finds the new stamp")
  }

  @Test func manyOpenersShareOneCheck() async throws {
    let id = try task("shared")
    let cache = try await fixture.open()
    try await cache.download(id, [file])
    fixture.checksum.reset()
    waitForNextTick()
    #expect(chmod(try path(ofSize: file.bytes.count), 0o400) == 0)
    let listing = try #require(try await cache.listing(of: id))
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<20 {
        group.addTask { (try? await cache.open(listing.members[0], of: id)) != nil }
      }
      for await isOpen in group { #expect(isOpen) }
    }
    #expect(fixture.checksum.bytes == file.bytes.count)
  }

  @Test(arguments: [0, 1_048_575, 1_048_576, 1_299_999])
  func aChangedByteIsNeverServed(offset: Int) async throws {
    let id = try task("flipped")
    var cache: ResultCache? = try await fixture.open()
    try await cache?.download(id, [file, small])
    waitForNextTick()
    let path = try path(ofSize: file.bytes.count)
    try flipByte(at: UInt64(offset), of: path)
    #expect(await cache?.failure(reading: "data.bin", of: id) == .damaged)
    // Mending the file behind the cache's back changes nothing: only a new download does.
    try flipByte(at: UInt64(offset), of: path)
    #expect(await cache?.failure(reading: "data.bin", of: id) == .damaged)
    let member = try #require(try await cache?.listing(of: id)?.members.first)
    #expect(member.isDamaged)
    guard case .failed(let reason, CachedListing.damageWord) = member.state else {
      Issue.record("\(member.state)")
      return
    }
    let chunk = offset / 1_048_576 * 1_048_576
    #expect(reason.contains("data.bin is damaged between bytes \(chunk) and"))
    cache = nil
    let next = try await fixture.open()
    #expect(await next.failure(reading: "data.bin", of: id) == .damaged)
    #expect(try await next.read("small.txt", of: id) == small.bytes)
    // Eviction must not turn damage into what is bought again by itself.
    _ = try await next.evict(id)
    #expect(await next.failure(reading: "data.bin", of: id) == .damaged)
    #expect(await next.failure(reading: "small.txt", of: id) == .notFound)
    try await next.download(id, [file, small])
    #expect(try await next.read("data.bin", of: id) == file.bytes)
  }

  @Test func aTruncatedOrLostFileIsDamaged() async throws {
    let id = try task("lost")
    let cache = try await fixture.open()
    try await cache.download(id, [file, small])
    waitForNextTick()
    #expect(truncate(try path(ofSize: file.bytes.count), 1_000_000) == 0)
    #expect(unlink(try path(ofSize: small.bytes.count)) == 0)
    #expect(await cache.failure(reading: "data.bin", of: id) == .damaged)
    #expect(await cache.failure(reading: "small.txt", of: id) == .damaged)
  }

  @Test func whatAnEarlierRunDidNotBringToTheDiskIsCheckedInFull() async throws {
    let id = try task("crashed")
    try await fixture.open().crash(id, [file, small], partial: SampleFile("c", size: 10))
    let cache = try await fixture.open()
    let listing = try #require(try await cache.listing(of: id))
    #expect(
      listing.state
        == .broken(
          reason: "the download was cut off: the program that ran it ended", failureKind: CachedListing.damageWord))
    #expect(listing.members.map(\.path) == [["data.bin"], ["small.txt"]])
    #expect(fixture.objectPaths.count == 2, "the part of a member is gone")
    fixture.checksum.reset()
    // Without a change of the file, as after a power loss that brought the file back with other bytes.
    let row = try fixture.index { try Row.fetchOne($0, sql: "SELECT name, durable FROM object WHERE size > 10") }
    #expect(row?["durable"] == 0)
    #expect(try await cache.read("data.bin", of: id) == file.bytes)
    #expect(fixture.checksum.bytes == file.bytes.count)
    #expect(try fixture.index { try Int.fetchOne($0, sql: "SELECT durable FROM object WHERE size > 10") } == 1)
    waitForNextTick()
    try flipByte(at: 2, of: try path(ofSize: small.bytes.count))
    #expect(await cache.failure(reading: "small.txt", of: id) == .damaged)
  }

  @Test func cancellingAnOpenerDoesNotWaitForTheCheck() async throws {
    let id = try task("cancelled")
    let cache = try await fixture.open()
    try await cache.download(id, [file])
    waitForNextTick()
    #expect(chmod(try path(ofSize: file.bytes.count), 0o400) == 0)
    let listing = try #require(try await cache.listing(of: id))
    let opener = Task { () -> CacheFailure.Kind? in
      do throws(CacheFailure) {
        _ = try await cache.open(listing.members[0], of: id)
        return nil
      } catch {
        return error.kind
      }
    }
    opener.cancel()
    #expect(await opener.value == .cancelled)
    #expect(try await cache.read("data.bin", of: id) == file.bytes)
  }
}
