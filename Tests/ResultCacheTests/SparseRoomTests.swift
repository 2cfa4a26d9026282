import Foundation
import Tasks
import TestSupport
import Testing

@testable import ResultCache

/// Room for members that arrive in parts, and what goes when there is none.
@Suite struct SparseRoomTests {
  let fixture: CacheFixture
  let files = (0..<6).map { SampleFile("f\($0)", size: block * 4, seed: UInt64($0)) }

  init() throws { fixture = try CacheFixture() }

  private func present(_ cache: ResultCache, _ id: TaskPath) async throws -> [Int64] {
    var sizes: [Int64] = []
    for file in files { sizes.append(try await cache.sparse(file.path[0], of: id).presentBytes.bytes) }
    return sizes
  }

  @Test func roomThatWasNotUsedIsGivenBack() async throws {
    let cache = try await fixture.open()
    let id = try task("ahead", source: "pixxel")
    let large = SampleFile("large", [UInt8](repeating: 1, count: block * 200))
    try await cache.list(id, [large])
    do {
      let object = try await cache.sparse("large", of: id)
      try await object.fetch(range(0..<2, of: large), from: large)
      let usage = try fixture.usage()
      #expect(usage.real == Int64(2 * block))
      #expect(usage.counted > usage.real, "it is asked for in steps")
      #expect(usage.counted <= Int64(large.bytes.count), "and never more than all of it")
      let claim = try #require(try await object.claim(range(5..<9, of: large)).first)
      try claim.append(large.bytes[5 * block..<6 * block])
      claim.finish()
    }
    await cache.settle()
    let usage = try fixture.usage()
    #expect(usage.real == Int64(3 * block))
    #expect(usage.counted == usage.real)
    #expect(cache.usage().bytes == ByteCount(usage.real))
  }

  @Test func aKilledProcessIsCountedAnew() async throws {
    let cache = try await fixture.open()
    let id = try task("killed", source: "pixxel")
    let large = SampleFile("large", [UInt8](repeating: 1, count: block * 200))
    try await cache.list(id, [large])
    let object = try await cache.sparse("large", of: id)
    try await object.fetch(range(0..<2, of: large), from: large)
    let copy = fixture.directory.file("copy")
    try FileManager.default.copyItem(atPath: fixture.root, toPath: copy)
    let after = try await fixture.open(at: copy)
    #expect(after.usage().bytes == ByteCount(2 * block))
    // The living one is left alone.
    let before = try fixture.usage()
    _ = try await fixture.open()
    #expect(try fixture.usage() == before)
    #expect(object.presentBytes == ByteCount(2 * block))
  }

  @Test func membersGoOneByOne() async throws {
    let cache = try await fixture.open(maxSize: Int64(4 * 4 * block))
    let id = try task("small", source: "pixxel")
    try await cache.list(id, files)
    for (index, file) in files.prefix(4).enumerated() {
      fixture.world.goOn()
      let object = try await cache.sparse(file.path[0], of: id)
      try await object.fetch(object.whole, from: file)
      if index.isMultiple(of: 2) { try await object.complete(contentChecksum: sampleChecksum) }
    }
    await cache.settle()
    fixture.world.goOn()
    #expect(try await cache.read("f0", of: id) == files[0].bytes)
    do {
      let object = try await cache.sparse("f4", of: id)
      try await object.fetch(object.whole, from: files[4])
      #expect(cache.usage().bytes <= ByteCount(4 * 4 * block))
    }
    await cache.settle()
    #expect(try await present(cache, id).map { $0 > 0 } == [true, false, true, true, true, false])
    await cache.settle()
    let usage = try fixture.usage()
    #expect(usage.counted == usage.real)
  }

  @Test func anOpenOneGoesLastAndItsReaderNoticesNothing() async throws {
    let cache = try await fixture.open(maxSize: Int64(4 * 4 * block))
    let id = try task("open", source: "pixxel")
    try await cache.list(id, files)
    let open = try await cache.sparse("f0", of: id)
    try await open.fetch(range(0..<3, of: files[0]), from: files[0])
    for file in files[1..<5] {
      fixture.world.goOn()
      let object = try await cache.sparse(file.path[0], of: id)
      try await object.fetch(object.whole, from: file)
    }
    #expect(try await cache.sparse("f0", of: id) === open)
    #expect(try await cache.evict(id) > .zero)
    #expect(fixture.objectPaths.isEmpty)
    #expect(try open.bytes(range(0..<3, of: files[0])) == Array(files[0].bytes[..<(3 * block)]))
    #expect(try await open.fetch(open.whole, from: files[0]) == block)
    #expect(try open.bytes(open.whole) == files[0].bytes)
    let fresh = try await cache.sparse("f0", of: id)
    #expect(fresh !== open)
    #expect(fresh.presentBytes == .zero)
    let failure = await #expect(throws: CacheFailure.self) { try await open.complete(contentChecksum: sampleChecksum) }
    #expect(failure?.kind == .notFound)
  }

  @Test func whatIsPaidForGoesLastAndPinsNever() async throws {
    let cache = try await fixture.open(maxSize: Int64(4 * 4 * block))
    let (free, paid, pinned) = (try task("free", source: "pixxel"), try task("paid"), try task("pin", source: "pixxel"))
    for (id, costs) in [(free, false), (paid, true), (pinned, false)] {
      try await cache.list(id, files, costs: costs)
      let object = try await cache.sparse("f0", of: id, costs: costs)
      try await object.fetch(object.whole, from: files[0])
      fixture.world.goOn()
    }
    await cache.settle()
    try await cache.setPinned(true, pinned)
    let next = try task("next", source: "pixxel")
    try await cache.list(next, files)
    func bring(_ name: Int) async throws {
      let object = try await cache.sparse("f\(name)", of: next)
      try await object.fetch(object.whole, from: files[name])
    }
    try await bring(0)
    try await bring(1)
    func isHere(_ id: TaskPath) async throws -> Bool { try await cache.sparse("f0", of: id).presentBytes > .zero }
    #expect(try await isHere(paid))
    #expect(try await isHere(pinned))
    #expect(try await !isHere(free))
    let huge = try await cache.sparse("f2", of: next)
    try await cache.setPinned(true, next)
    #expect(try await huge.fetch(huge.whole, from: files[2]) > 0)
    #expect(try await !isHere(paid))
    #expect(try await isHere(pinned))
    let last = try await cache.sparse("f3", of: next)
    let failure = await #expect(throws: CacheFailure.self) { try await last.claim(last.whole) }
    #expect(failure?.kind == .noSpace)
    #expect(last.missing(in: last.whole) == [last.whole])
    #expect(try await last.wait(for: last.whole) == .missing)
  }

  @Test func seekPointsGoBeforeWhatWasPaidFor() async throws {
    let cache = try await fixture.open(maxSize: Int64(5 * 4 * block))
    let (paid, next) = (try task("paid"), try task("next"))
    try await cache.list(paid, files, costs: true)
    let object = try await cache.sparse("f0", of: paid, costs: true)
    try await object.fetch(object.whole, from: files[0])
    let snapshot = [UInt8](repeating: 1, count: 30_000)
    try object.seekPoints.add(SeekPoint(consumed: 5, produced: 5, snapshot: snapshot))
    #expect(try object.seekPoints.nearest(atOrBefore: 5) != nil)
    try await cache.download(next, [SampleFile("n", size: block * 15)])
    #expect(try object.seekPoints.nearest(atOrBefore: 5) == nil)
    #expect(try await cache.sparse("f0", of: paid).presentBytes == ByteCount(4 * block))
    // No room without dropping what was paid for: it is only a help.
    try object.seekPoints.add(SeekPoint(consumed: 6, produced: 6, snapshot: snapshot))
    #expect(try object.seekPoints.nearest(atOrBefore: 6) == nil)
    #expect(try await cache.listing(of: next)?.members.map(\.state) == [.stored])
  }

  @Test func cheaperContentGoesFirstAmongWhatWasPaidFor() async throws {
    let names = try (#require(SourceName("cheap")), #require(SourceName("dear")))
    let prices = [
      names.0: PricePerGigabyte(Dollars(microDollars: 1)), names.1: PricePerGigabyte(Dollars(microDollars: 900_000)),
    ]
    let cache = try await ResultCache(
      directory: fixture.root, limits: CacheLimits(maxSize: ByteCount(300_000), minFree: .zero),
      checksum: fixture.checksum.function, logger: fixture.log.logger,
      environment: fixture.world.environment(fixture.root),
      prices: prices)
    let (dear, cheap) = (try task("a", source: "dear"), try task("a", source: "cheap"))
    try await cache.download(dear, [SampleFile("f", size: 100_000)])
    fixture.world.goOn()
    try await cache.download(cheap, [SampleFile("f", size: 100_000)])
    try await cache.download(try task("next"), [SampleFile("f", size: 150_000)])
    #expect(try await cache.listing(of: dear)?.members.map(\.state) == [.stored])
    #expect(try await cache.listing(of: cheap)?.members.map(\.state) == [.evicted])
  }
}
