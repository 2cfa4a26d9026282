import Foundation
import Glibc
import Tasks
import TestSupport
import Testing

@testable import ResultCache

/// What later runs find: whole blocks, torn ones, damaged ones, a damaged map.
@Suite struct SparseDamageTests {
  let fixture: CacheFixture
  let file = SampleFile("f", size: block * 10 + 100, seed: 8)

  init() throws { fixture = try CacheFixture() }

  private func dataPath() throws -> String { try #require(fixture.objectPaths.first { !$0.hasSuffix(".map") }) }
  private func mapPath() throws -> String { try #require(fixture.objectPaths.first { $0.hasSuffix(".map") }) }

  /// An earlier run that brought some blocks and was let go of in order, so that what was paid for is on the disk.
  private func bring(_ blocks: Range<Int>, of id: TaskPath, costs: Bool) async throws {
    let cache = try await fixture.open()
    try await cache.list(id, [file], costs: costs)
    do {
      let object = try await cache.sparse("f", of: id, costs: costs)
      try await object.fetch(range(blocks, of: file), from: file)
    }
    await cache.settle()
  }

  @Test func blocksOfAnEarlierRunAreCheckedOnce() async throws {
    let id = try task("checked", source: "pixxel")
    try await bring(0..<8, of: id, costs: false)
    let cache = try await fixture.open()
    let object = try await cache.sparse("f", of: id)
    #expect(object.presentBytes == ByteCount(8 * block))
    fixture.checksum.reset()
    for _ in 0..<3 { #expect(try await object.wait(for: range(2..<5, of: file)) == .arrived) }
    #expect(fixture.checksum.bytes == 3 * block)
    #expect(try object.bytes(range(2..<5, of: file)) == Array(file.bytes[2 * block..<5 * block]))
    let waits = (0..<20).map { _ in Task { try await object.wait(for: range(0..<8, of: file)) } }
    for wait in waits { #expect(try await wait.value == .arrived) }
    #expect(fixture.checksum.bytes == 8 * block)
  }

  @Test func aDamagedBlockThatIsFreeIsMissing() async throws {
    let id = try task("free", source: "pixxel")
    try await bring(0..<8, of: id, costs: false)
    try flipByte(at: UInt64(block * 3 + 7), of: try dataPath())
    let cache = try await fixture.open()
    let object = try await cache.sparse("f", of: id)
    #expect(try await object.wait(for: range(0..<8, of: file)) == .missing)
    #expect(object.missing(in: range(0..<8, of: file)) == [range(3..<4, of: file)])
    #expect(try await object.fetch(object.whole, from: file) == file.bytes.count - 7 * block)
    #expect(try object.bytes(object.whole) == file.bytes)
    try await object.complete(contentChecksum: sampleChecksum)
    let usage = try fixture.usage()
    #expect(usage.counted == usage.real)
  }

  @Test func aDamagedBlockThatWasPaidForIsDamageUntilSomebodyAsks() async throws {
    let id = try task("paid")
    try await bring(0..<8, of: id, costs: true)
    try flipByte(at: UInt64(block * 3 + 7), of: try dataPath())
    let cache = try await fixture.open()
    let object = try await cache.sparse("f", of: id, costs: true)
    let failure = await #expect(throws: CacheFailure.self) { try await object.wait(for: range(0..<8, of: self.file)) }
    #expect(failure?.kind == .damaged)
    #expect(failure?.reason.contains("damaged between bytes 49152 and 65536") == true)
    #expect(try await cache.member("f", of: id).isDamaged)
    #expect(try await object.claim(range(3..<4, of: file)).isEmpty)
    #expect(try await object.wait(for: range(4..<8, of: file)) == .arrived, "the rest is right")
    // Another run finds it so.
    let member = try await cache.member("f", of: id)
    let refusal = await #expect(throws: CacheFailure.self) {
      try await self.fixture.open().sparse(member, of: id, costs: true)
    }
    #expect(refusal?.kind == .damaged)
    // A new look at the same version does not hide it.
    try await cache.list(id, [file], costs: true)
    #expect(try await cache.member("f", of: id).isDamaged)
    #expect(try await cache.dropDamaged(of: id) == 1)
    #expect(try await cache.dropDamaged(of: id) == 0)
    #expect(try await cache.member("f", of: id).state == .evicted)
    #expect(object.missing(in: range(0..<8, of: file)) == [range(3..<4, of: file)])
    #expect(try await object.fetch(range(0..<8, of: file), from: file) == block)
    #expect(try await object.wait(for: range(0..<8, of: file)) == .arrived)
  }

  @Test(arguments: [false, true])
  func whatADecoderRejectsIsGivenUpWithItsSeekPoints(costs: Bool) async throws {
    let cache = try await fixture.open()
    let id = try task("rejected", source: costs ? "screenplay" : "pixxel")
    try await cache.list(id, [file], costs: costs)
    let object = try await cache.sparse("f", of: id, costs: costs)
    try await object.fetch(range(0..<5, of: file), from: file)
    try object.seekPoints.add(SeekPoint(consumed: 10, produced: 100, snapshot: [1, 2, 3]))
    try await object.reject(because: "it is wrong")
    #expect(try object.seekPoints.nearest(atOrBefore: 1_000) == nil)
    #expect(object.presentBytes == .zero)
    #expect(try await cache.member("f", of: id).isDamaged == costs)
    if costs {
      #expect(try await object.claim(object.whole).isEmpty, "it is not bought again by itself")
      #expect(try await cache.dropDamaged(of: id) == 1)
    }
    let again = try await cache.sparse("f", of: id, costs: costs)
    #expect(try await again.fetch(again.whole, from: file) == file.bytes.count)
    try await again.complete(contentChecksum: sampleChecksum)
    try again.seekPoints.add(SeekPoint(consumed: 20, produced: 200, snapshot: [4]))
    #expect(try again.seekPoints.nearest(atOrBefore: 1_000)?.snapshot == [4])
  }

  @Test func aPaidBlockThatNeverReachedTheDiskIsMerelyMissing() async throws {
    let id = try task("torn")
    let cache = try await fixture.open()
    try await cache.list(id, [file], costs: true)
    let object = try await cache.sparse("f", of: id, costs: true)
    try await object.fetch(range(0..<8, of: file), from: file)
    // A kill at this moment, and a disk that lost the block.
    let copy = fixture.directory.file("copy")
    try FileManager.default.copyItem(atPath: fixture.root, toPath: copy)
    let path = try #require(CacheFixture.objectPaths(in: copy).first { !$0.hasSuffix(".map") })
    try flipByte(at: UInt64(block * 3 + 7), of: path)
    let after = try await fixture.open(at: copy)
    let found = try await after.sparse("f", of: id, costs: true)
    #expect(try await found.wait(for: range(0..<8, of: file)) == .missing)
    #expect(try await found.fetch(range(0..<8, of: file), from: file) == block)
    #expect(try await after.member("f", of: id).state == .evicted)
  }

  @Test(arguments: [false, true])
  func aDamagedMapServesNothingWrong(costs: Bool) async throws {
    let seed = UInt64.random(in: .min ... .max)
    print("SparseDamageTests seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    let id = try task("map", source: "pixxel")
    try await bring(0..<8, of: id, costs: costs)
    for round in 0..<20 {
      let copy = fixture.directory.file("copy-\(round)")
      try FileManager.default.copyItem(atPath: fixture.root, toPath: copy)
      let path = try #require(CacheFixture.objectPaths(in: copy).first { $0.hasSuffix(".map") })
      try flipByte(at: .random(in: 0..<UInt64(64 + 8 * 8), using: &generator), of: path)
      let cache = try await fixture.open(at: copy)
      do {
        let object = try await cache.sparse("f", of: id, costs: costs)
        let wait = try await object.wait(for: range(0..<8, of: file))
        #expect(!costs || wait == .arrived, "seed \(seed)")
        try await object.fetch(object.whole, from: file)
        #expect(try object.bytes(object.whole) == file.bytes, "seed \(seed)")
      } catch {
        #expect(costs && error is CacheFailure && (error as? CacheFailure)?.kind == .damaged, "seed \(seed): \(error)")
      }
    }
  }

  @Test(arguments: [false, true])
  func lostFilesAreFetchedAgainOrTold(costs: Bool) async throws {
    for suffix in ["", ".map"] {
      let id = try task("lost\(suffix)", source: "pixxel")
      try await bring(0..<8, of: id, costs: costs)
      let path = try #require(fixture.objectPaths.first { $0.hasSuffix(".map") == (suffix == ".map") })
      #expect(unlink(path) == 0)
      let cache = try await fixture.open()
      do {
        let object = try await cache.sparse("f", of: id, costs: costs)
        #expect(try await object.wait(for: range(0..<8, of: file)) == .missing)
        try await object.fetch(object.whole, from: file)
        #expect(try object.bytes(object.whole) == file.bytes)
        #expect(!costs)
      } catch {
        #expect(costs && (error as? CacheFailure)?.kind == .damaged, "\(error)")
      }
      _ = try await cache.evict(id)
    }
  }

  @Test func aCheckOfEverythingFindsDamageInParts() async throws {
    let (free, paid) = (try task("free", source: "pixxel"), try task("paid"))
    try await bring(0..<8, of: free, costs: false)
    let path = try dataPath()
    try await bring(0..<8, of: paid, costs: true)
    let other = try #require(fixture.objectPaths.first { !$0.hasSuffix(".map") && $0 != path })
    let cache = try await fixture.open()
    let healthy = try #require(try await cache.verify(paid, contentChecksum: sampleChecksum))
    #expect(healthy.bytes == ByteCount(8 * block))
    #expect(healthy.evicted == 1)
    try flipByte(at: UInt64(block * 3 + 7), of: path)
    try flipByte(at: UInt64(block * 3 + 7), of: other)
    let report = try #require(try await cache.verify(free, contentChecksum: sampleChecksum))
    #expect(report.dropped == ByteCount(block))
    #expect(report.bytes == ByteCount(7 * block))
    #expect(report.damaged.isEmpty)
    for _ in 0..<2 {
      let damage = try #require(try await cache.verify(paid, contentChecksum: sampleChecksum))
      #expect(damage.damaged.map(\.path) == [["f"]])
    }
  }
}
