import Foundation
import Tasks
import TestSupport
import Testing

@testable import ResultCache

/// Kills at every step of the life of a member that arrives in parts.
@Suite struct SparseCrashTests {
  let fixture: CacheFixture
  let file = SampleFile("f", size: block * 6 + 77, seed: 2)

  init() throws { fixture = try CacheFixture() }

  private func copy(_ name: String) throws -> String {
    let copy = fixture.directory.file(name)
    try FileManager.default.copyItem(atPath: fixture.root, toPath: copy)
    return copy
  }

  @Test(arguments: [false, true])
  func everyStepLeavesAConsistentCache(costs: Bool) async throws {
    let id = try task("steps")
    let cache = try await fixture.open()
    var copies: [(path: String, blocks: Int)] = []
    try await cache.list(id, [file], costs: costs)
    copies.append((try copy("listed"), 0))
    let object = try await cache.sparse("f", of: id, costs: costs)
    copies.append((try copy("opened"), 0))
    let claim = try #require(try await object.claim(object.whole).first)
    copies.append((try copy("claimed"), 0))
    for index in 0..<7 {
      let bytes = file.bytes[index * block..<min((index + 1) * block, file.bytes.count)]
      try claim.append(bytes.prefix(50))
      copies.append((try copy("within-\(index)"), index))
      try claim.append(bytes.dropFirst(50))
      copies.append((try copy("after-\(index)"), index + 1))
    }
    try object.seekPoints.add(SeekPoint(consumed: 1, produced: 2, snapshot: [3]))
    claim.finish()
    copies.append((try copy("finished"), 7))
    try await object.complete(contentChecksum: sampleChecksum)
    await cache.settle()
    copies.append((try copy("completed"), 7))
    _ = try await cache.evict(id)
    copies.append((try copy("evicted"), 0))
    for (path, blocks) in copies { try await check(path, blocks, costs, id) }
  }

  private func check(_ path: String, _ blocks: Int, _ costs: Bool, _ id: TaskPath) async throws {
    let cache = try await fixture.open(at: path)
    let usage = try fixture.usage(at: path)
    #expect(usage.counted == usage.real, "\(path)")
    #expect(try await cache.listing(of: id)?.package == .first)
    do {
      let object = try await cache.sparse("f", of: id, costs: costs)
      let present = range(0..<blocks, of: file)
      #expect(object.presentBytes == ByteCount(present.count), "\(path)")
      #expect(try await object.wait(for: present) == .arrived, "\(path)")
      #expect(try object.bytes(present) == Array(file.bytes[..<present.count]), "\(path)")
      #expect(try await object.fetch(object.whole, from: file) == file.bytes.count - present.count, "\(path)")
      try await object.complete(contentChecksum: sampleChecksum)
    }
    await cache.settle()
    #expect(try await fixture.open(at: path).read("f", of: id) == file.bytes, "\(path)")
    let after = try fixture.usage(at: path)
    #expect(after.counted == after.real, "\(path)")
  }

  /// After a start of the machine everything is counted and swept anew: the index's last words may be lost.
  @Test func aStartOfTheMachinePutsEverythingInOrder() async throws {
    let id = try task("boot")
    do {
      let cache = try await fixture.open()
      try await cache.list(id, [file])
      let object = try await cache.sparse("f", of: id)
      try await object.fetch(range(0..<3, of: file), from: file)
      await cache.settle()
    }
    let name = try #require(fixture.objectPaths.first)
    let stray = URL(fileURLWithPath: name).deletingLastPathComponent().path + "/0123456789abcdef"
    try Data(count: 10).write(to: URL(fileURLWithPath: stray))
    try fixture.index { try $0.execute(sql: "UPDATE object SET size = 5, claimants = 0") }
    _ = try await fixture.open()
    #expect(FileManager.default.fileExists(atPath: stray), "the same start of the machine: nothing to look for")
    try fixture.index { try $0.execute(sql: "UPDATE held SET boot = 'earlier'") }
    let cache = try await fixture.open()
    #expect(!FileManager.default.fileExists(atPath: stray))
    #expect(cache.usage().bytes == ByteCount(3 * block))
    #expect(try await cache.sparse("f", of: id).wait(for: range(0..<3, of: file)) == .arrived)
  }

  @Test func aPowerLossServesNoWrongByte() async throws {
    let seed = UInt64.random(in: .min ... .max)
    print("SparseCrashTests seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    for costs in [false, true] {
      let id = try task("power-\(costs)")
      let cache = try await fixture.open()
      try await cache.list(id, [file], costs: costs)
      let object = try await cache.sparse("f", of: id, costs: costs)
      try await object.fetch(object.whole, from: file)
      let copy = try copy("power-\(costs)")
      // What the disk brings back of files that were not synchronized: any page of it old (zeroes) or new.
      for path in CacheFixture.objectPaths(in: copy) {
        let handle = try #require(FileHandle(forUpdatingAtPath: path))
        defer { try? handle.close() }
        let size = try handle.seekToEnd()
        for page in 0..<(size + 4_095) / 4_096 where Int.random(in: 0..<4, using: &generator) == 0 {
          try handle.seek(toOffset: page * 4_096)
          try handle.write(contentsOf: Data(count: Int(min(4_096, size - page * 4_096))))
        }
        if Int.random(in: 0..<4, using: &generator) == 0 { try handle.truncate(atOffset: size / 3) }
      }
      let after = try await fixture.open(at: copy)
      do {
        let found = try await after.sparse("f", of: id, costs: costs)
        try await found.fetch(found.whole, from: file)
        #expect(try found.bytes(found.whole) == file.bytes, "seed \(seed)")
        try await found.complete(contentChecksum: sampleChecksum)
      } catch let failure as CacheFailure where failure.kind == .damaged {
        #expect(costs, "seed \(seed): \(failure)")
        _ = try await after.dropDamaged(of: id)
        let found = try await after.sparse("f", of: id, costs: costs)
        try await found.fetch(found.whole, from: file)
        try await found.complete(contentChecksum: sampleChecksum)
      }
      #expect(try await after.read("f", of: id) == file.bytes, "seed \(seed)")
    }
  }
}
