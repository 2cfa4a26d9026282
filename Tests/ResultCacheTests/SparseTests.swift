import Foundation
import Glibc
import Synchronization
import Tasks
import TestSupport
import Testing

@testable import ResultCache

@Suite struct SparseTests {
  let fixture: CacheFixture
  /// 12 blocks and a half.
  let file = SampleFile("d/big.bin", size: block * 12 + 5_000, seed: 3)

  init() throws { fixture = try CacheFixture() }

  @Test func partsArriveAndAreReadAndBecomeAStoredFile() async throws {
    let cache = try await fixture.open()
    let id = try task("parts", source: "pixxel")
    let listing = try await cache.list(id, [file])
    #expect(listing.package == .first)
    #expect(listing.members[0].place == file.place(0))
    #expect(listing.members[0].state == .evicted)
    let object = try await cache.sparse("d/big.bin", of: id)
    #expect(object.missing(in: 100..<101) == [0..<UInt64(block)])
    let claims = try await object.claim(UInt64(block)..<UInt64(block * 3 + 1))
    #expect(claims.map(\.range) == [range(1..<4, of: file)])
    #expect(try await object.claim(UInt64(block)..<UInt64(block * 2)).isEmpty, "it is on its way")
    #expect(try await object.wait(for: 0..<10) == .missing)
    try claims[0].append(file.bytes[block..<block * 2 + 10])
    #expect(try await object.wait(for: range(1..<2, of: file)) == .arrived)
    #expect(object.presentBytes == ByteCount(block))
    try claims[0].append(file.bytes[block * 2 + 10..<block * 4])
    #expect(throws: CacheFailure.self) { try claims[0].append([1]) }
    #expect(try await object.wait(for: range(1..<4, of: file)) == .arrived)
    #expect(try object.bytes(range(1..<4, of: file)) == Array(file.bytes[block..<block * 4]))
    await #expect(throws: CacheFailure.self) { try await object.complete(contentChecksum: sampleChecksum) }
    #expect(try await object.fetch(0..<UInt64.max, from: file) == file.bytes.count - 3 * block)
    #expect(try object.bytes(object.whole) == file.bytes)
    let before = try await cache.version(of: id)
    try await object.complete(contentChecksum: sampleChecksum)
    try await object.complete(contentChecksum: sampleChecksum)
    #expect(object.isComplete)
    #expect(try await cache.version(of: id) != before)
    #expect(try await cache.member("d/big.bin", of: id).state == .stored)
    #expect(try await cache.read("d/big.bin", of: id) == file.bytes)
    #expect(try await fixture.open().read("d/big.bin", of: id) == file.bytes)
    await cache.settle()
    #expect(fixture.objectPaths.count == 1, "the map has gone")
    #expect(cache.usage() == CacheUsage(bytes: ByteCount(file.bytes.count), objects: 1))
    // Who asks for it in parts all the same finds all of it.
    let again = try await cache.sparse("d/big.bin", of: id)
    #expect(again.isComplete)
    #expect(try await again.wait(for: again.whole) == .arrived)
    #expect(try again.bytes(again.whole) == file.bytes)
  }

  @Test func anEmptyMemberNeedsNothing() async throws {
    let cache = try await fixture.open()
    let id = try task("empty", source: "pixxel")
    try await cache.list(id, [SampleFile("e", [])])
    let object = try await cache.sparse("e", of: id)
    #expect(try await object.claim(0..<10).isEmpty)
    #expect(try await object.wait(for: 0..<10) == .arrived)
    try await object.complete(contentChecksum: sampleChecksum)
    #expect(try await cache.read("e", of: id).isEmpty)
  }

  @Test func oneObjectAMember() async throws {
    let cache = try await fixture.open()
    let id = try task("one", source: "pixxel")
    try await cache.list(id, [file, SampleFile("other", size: 10)])
    let objects = try await withThrowingTaskGroup(of: SparseObject.self) { group in
      for _ in 0..<8 { group.addTask { try await cache.sparse("d/big.bin", of: id) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(objects.allSatisfy { $0 === objects[0] })
    #expect(try await cache.sparse("other", of: id) !== objects[0])
  }

  @Test func waitersAreToldWhatBecameOfTheirBlocks() async throws {
    let cache = try await fixture.open()
    let id = try task("waiters", source: "pixxel")
    try await cache.list(id, [file])
    let object = try await cache.sparse("d/big.bin", of: id)
    let first = try #require(try await object.claim(range(0..<4, of: file)).first)
    let second = try #require(try await object.claim(range(4..<8, of: file)).first)
    let both = Task { try await object.wait(for: range(2..<6, of: file)) }
    let early = Task { try await object.wait(for: range(0..<2, of: file)) }
    let failing = Task { try await object.wait(for: range(6..<8, of: file)) }
    let cancelled = Task { try await object.wait(for: range(1..<3, of: file)) }
    cancelled.cancel()
    let failure = await #expect(throws: CacheFailure.self) { try await cancelled.value }
    #expect(failure?.kind == .cancelled)
    try first.append(file.bytes[..<(block * 2)])
    #expect(try await early.value == .arrived)
    try second.append(file.bytes[(block * 4)..<(block * 6)])
    second.fail(CacheFailure(.io, "the store said no"))
    let reason = await #expect(throws: CacheFailure.self) { try await failing.value }
    #expect(reason?.reason == "the store said no")
    #expect(throws: CacheFailure.self) { try second.append([1]) }
    first.finish()
    #expect(try await both.value == .missing)
    #expect(object.missing(in: object.whole) == [range(2..<4, of: file), range(6..<13, of: file)])
    #expect(try await object.wait(for: range(0..<2, of: file)) == .arrived)
    // What is dropped without an end is given back, too.
    var third: SparseClaim? = try await object.claim(range(2..<3, of: file)).first
    let last = Task { try await object.wait(for: range(2..<3, of: file)) }
    #expect(object.missing(in: range(2..<3, of: file)).isEmpty)
    #expect(third != nil)
    third = nil
    #expect(try await last.value == .missing)
  }

  @Test func manyWaitersForManyBlocksAreCheap() async throws {
    let cache = try await fixture.open()
    let id = try task("many", source: "pixxel")
    let large = SampleFile("large", [UInt8](repeating: 9, count: block * 2_000))
    try await cache.list(id, [large])
    let object = try await cache.sparse("large", of: id)
    let claim = try #require(try await object.claim(object.whole).first)
    let waiters = (0..<2_000).map { index in
      Task { try await object.wait(for: range(max(0, index - 100)..<index + 1, of: large)) }
    }
    try await onThread { try claim.bring(large, step: block * 3 + 7) }
    for waiter in waiters { #expect(try await waiter.value == .arrived) }
    try await object.complete(contentChecksum: sampleChecksum)
  }

  @Test func manyReadersShareWhatIsFetched() async throws {
    let seed = UInt64.random(in: .min ... .max)
    print("SparseTests seed \(seed)")
    let cache = try await fixture.open()
    let id = try task("shared", source: "pixxel")
    try await cache.list(id, [file])
    let brought = Tally()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for reader in 0..<12 {
        group.addTask {
          var generator = SeededGenerator(seed: seed &+ UInt64(reader))
          for _ in 0..<10 {
            let start = UInt64.random(in: 0..<UInt64(file.bytes.count), using: &generator)
            let end = min(start + .random(in: 1...100_000, using: &generator), UInt64(file.bytes.count))
            let object = try await cache.sparse("d/big.bin", of: id)
            let bytes = try await object.fetch(
              start..<end, from: file, step: .random(in: 1_000...40_000, using: &generator))
            brought.add(bytes)
            #expect(try object.bytes(start..<end) == Array(file.bytes[Int(start)..<Int(end)]), "seed \(seed)")
          }
        }
      }
      try await group.waitForAll()
    }
    let object = try await cache.sparse("d/big.bin", of: id)
    #expect(brought.sum == Int(object.presentBytes.bytes), "nothing twice; seed \(seed)")
  }

  @Test func contentThatIsNotWhatTheArchiveSaysIsDropped() async throws {
    let cache = try await fixture.open()
    let id = try task("wrong", source: "pixxel")
    try await cache.list(id, [file])
    var wrong = file
    wrong.bytes[20_000] ^= 1
    let object = try await cache.sparse("d/big.bin", of: id)
    try await object.fetch(object.whole, from: wrong)
    let failure = await #expect(throws: CacheFailure.self) {
      try await object.complete(contentChecksum: sampleChecksum)
    }
    #expect(failure?.kind == .damaged)
    #expect(object.presentBytes == .zero)
    #expect(try await object.fetch(object.whole, from: file) == file.bytes.count)
    try await object.complete(contentChecksum: sampleChecksum)
    #expect(try await cache.read("d/big.bin", of: id) == file.bytes)
  }

  @Test func paidContentThatIsNotWhatTheArchiveSaysIsMarked() async throws {
    let cache = try await fixture.open()
    let id = try task("dear")
    try await cache.list(id, [file], costs: true)
    var wrong = file
    wrong.bytes[20_000] ^= 1
    let object = try await cache.sparse("d/big.bin", of: id, costs: true)
    try await object.fetch(object.whole, from: wrong)
    await #expect(throws: CacheFailure.self) { try await object.complete(contentChecksum: sampleChecksum) }
    #expect(try await cache.member("d/big.bin", of: id).isDamaged)
    let failure = await #expect(throws: CacheFailure.self) { try await object.wait(for: 0..<1) }
    #expect(failure?.kind == .damaged)
    #expect(try await object.claim(object.whole).isEmpty, "it is not bought again by itself")
    await #expect(throws: CacheFailure.self) {
      try await cache.sparse(try await cache.member("d/big.bin", of: id), of: id, costs: true)
    }
  }

  @Test func whoOnlyLooksLeavesNothing() async throws {
    let cache = try await fixture.open()
    let id = try task("looked", source: "pixxel")
    try await cache.list(id, [file])
    do { #expect(try await cache.sparse("d/big.bin", of: id).presentBytes == .zero) }
    await cache.settle()
    #expect(fixture.objectPaths.isEmpty)
    #expect(cache.usage().objects == 0)
  }
}
