import Foundation
import GRDB
import Tasks
import TestSupport
import Testing

@testable import ResultCache

/// Random operations on members that arrive in parts, by two processes, held against what must be here.
///
/// The reference is a set of blocks a member: what was brought and neither evicted nor lost.
private final class SparsePlay {
  struct Key: Hashable {
    let process: Int
    let member: Int
  }

  let seed: UInt64
  var generator: SeededGenerator
  let fixture: CacheFixture
  let costs: Bool
  let task: TaskPath
  let files: [SampleFile]
  var root: String
  var caches: [ResultCache] = []
  var held: [Key: SparseObject] = [:]
  var present: [Set<Int>]
  var damaged: [Set<Int>]
  var copies = 0

  init(seed: UInt64, costs: Bool) async throws {
    self.seed = seed
    self.costs = costs
    generator = SeededGenerator(seed: seed)
    fixture = try CacheFixture()
    root = fixture.root
    task = try #require(TaskPath(parsing: "source/play"))
    var files: [SampleFile] = []
    for index in 0..<3 {
      let size = Int.random(in: 1...(block * 9), using: &generator)
      files.append(SampleFile("f\(index)", size: size, seed: generator.next()))
    }
    self.files = files
    present = files.map { _ in [] }
    damaged = present
    try await open()
    try await caches[0].list(task, files, costs: costs)
  }

  private func open() async throws {
    caches = [try await fixture.open(at: root), try await fixture.open(at: root)]
  }

  private func blocks(_ member: Int) -> Range<Int> { 0..<BlockMath.count(of: UInt64(files[member].bytes.count)) }

  private func randomRun(_ member: Int) -> Range<Int> {
    let all = blocks(member)
    let start = Int.random(in: all, using: &generator)
    return start..<Int.random(in: start + 1...all.upperBound, using: &generator)
  }

  private func randomKey() -> Key {
    Key(process: .random(in: 0..<2, using: &generator), member: .random(in: 0..<files.count, using: &generator))
  }

  /// The object, kept from an earlier step or not. Nil where a member is damaged.
  private func object(_ key: Key) async throws -> SparseObject? {
    if let object = held[key] { return object }
    do {
      let object = try await caches[key.process].sparse("f\(key.member)", of: task, costs: costs)
      if Bool.random(using: &generator) { held[key] = object }
      return object
    } catch let failure as CacheFailure where failure.kind == .damaged {
      #expect(!damaged[key.member].isEmpty, "seed \(seed)")
      return nil
    }
  }

  func step() async throws {
    switch Int.random(in: 0..<20, using: &generator) {
    case 0..<8: try await fetch()
    case 8..<12: try await read()
    case 12: held[randomKey()] = nil
    case 13: try await complete()
    case 14: try await evict()
    case 15: try await restart()
    case 16: try await kill()
    case 17: try await corrupt()
    case 18: try await caches[0].list(task, files, costs: costs)
    default: try await repair()
    }
  }

  /// Claims a range, which must be exactly what is missing, brings some of it, and ends in some way.
  private func fetch(killing: Bool = false) async throws {
    let key = randomKey()
    guard let object = try await object(key) else { return }
    let run = randomRun(key.member)
    let claims = try await object.claim(range(run, of: files[key.member]))
    let claimed = claims.flatMap { Array(BlockMath.blocks(of: $0.range, in: object.size)) }
    let expected = run.filter { !present[key.member].contains($0) && !damaged[key.member].contains($0) }
    #expect(claimed == expected, "seed \(seed)")
    for claim in claims { try bring(claim, key.member) }
    if killing { try await copy() }
  }

  private func bring(_ claim: SparseClaim, _ member: Int) throws {
    let bytes = files[member].bytes[Int(claim.range.lowerBound)..<Int(claim.range.upperBound)]
    let count = Bool.random(using: &generator) ? bytes.count : .random(in: 0...bytes.count, using: &generator)
    var position = bytes.startIndex
    while position < bytes.startIndex + count {
      let end = min(bytes.startIndex + count, position + .random(in: 1...40_000, using: &generator))
      try claim.append(bytes[position..<end])
      position = end
    }
    let whole =
      count == bytes.count ? Int(claim.range.upperBound) : (Int(claim.range.lowerBound) + count) / block * block
    present[member].formUnion(
      BlockMath.blocks(of: claim.range.lowerBound..<UInt64(whole), in: UInt64(files[member].bytes.count)))
    switch Int.random(in: 0..<3, using: &generator) {
    case 0: claim.finish()
    case 1: claim.fail(CacheFailure(.io, "broke"))
    default: break
    }
  }

  private func read() async throws {
    let key = randomKey()
    guard let object = try await object(key) else { return }
    let run = randomRun(key.member)
    let wanted = range(run, of: files[key.member])
    do {
      // Twice: what another process brought shows once it is claimed.
      var wait = try await object.wait(for: wanted)
      if wait == .missing {
        for claim in try await object.claim(wanted) { claim.finish() }
        wait = try await object.wait(for: wanted)
      }
      let isHere = run.allSatisfy(present[key.member].contains)
      #expect((wait == .arrived) == isHere, "seed \(seed)")
      guard wait == .arrived else { return }
      let bytes = try object.bytes(wanted)
      let isRight = bytes == Array(files[key.member].bytes[Int(wanted.lowerBound)..<Int(wanted.upperBound)])
      #expect(isRight, "seed \(seed)")
    } catch let failure as CacheFailure {
      #expect(failure.kind == .damaged && run.contains(where: damaged[key.member].contains), "seed \(seed): \(failure)")
    }
  }

  private func complete() async throws {
    let key = randomKey()
    guard damaged[key.member].isEmpty, present[key.member].count == blocks(key.member).count,
      let object = try await object(key)
    else { return }
    for claim in try await object.claim(object.whole) { claim.finish() }
    try await object.complete(contentChecksum: sampleChecksum)
    let bytes = try await caches[1 - key.process].read("f\(key.member)", of: task)
    #expect(bytes == files[key.member].bytes, "seed \(seed)")
  }

  private func evict() async throws {
    guard Int.random(in: 0..<3, using: &generator) == 0 else { return }
    _ = try await caches[Int.random(in: 0..<2, using: &generator)].evict(task)
    held = [:]
    // Damage stays until somebody asks for what is damaged; its bytes go like all others.
    present = files.map { _ in [] }
  }

  private func repair() async throws {
    held = [:]
    _ = try await caches[0].dropDamaged(of: task)
    for member in files.indices { damaged[member] = [] }
  }

  private func restart() async throws {
    held = [:]
    for cache in caches { await cache.settle() }
    try await open()
  }

  private func kill() async throws {
    if Bool.random(using: &generator) { try await fetch(killing: true) } else { try await copy() }
  }

  /// Goes on with a copy of the directory, as new processes after a kill: nobody holds the copy's locks.
  private func copy() async throws {
    // A copy takes time, unlike a kill: nothing may go meanwhile.
    for cache in caches { await cache.settle() }
    copies += 1
    let copy = fixture.directory.file("copy-\(copies)")
    try FileManager.default.copyItem(atPath: root, toPath: copy)
    held = [:]
    root = copy
    try await open()
  }

  /// Changes a block that is here, between two runs.
  private func corrupt() async throws {
    try await restart()
    let member = Int.random(in: 0..<files.count, using: &generator)
    guard let victim = present[member].randomElement(using: &generator), damaged[member].isEmpty,
      let path = try path(member)
    else { return }
    let bytes = range(victim..<victim + 1, of: files[member])
    try flipByte(at: .random(in: bytes, using: &generator), of: path)
    do {
      guard let object = try await object(Key(process: 0, member: member)) else { return }
      let wait = try await object.wait(for: bytes)
      #expect(wait == .missing, "seed \(seed)")
      present[member].remove(victim)
    } catch let failure as CacheFailure {
      #expect(costs && failure.kind == .damaged, "seed \(seed): \(failure)")
      damaged[member].insert(victim)
      present[member].remove(victim)
    }
  }

  /// The file of a member that is here in part.
  private func path(_ member: Int) throws -> String? {
    let name = try fixture.index(at: root) { db in
      try String.fetchOne(
        db, sql: "SELECT object.name FROM object JOIN member ON member.object = object.id WHERE partial AND path = ?",
        arguments: ["f\(member)"])
    }
    return name.flatMap { name in CacheFixture.objectPaths(in: root).first { $0.hasSuffix(name) } }
  }

  /// After everything was let go of, what is counted is what is there.
  func check() async throws {
    held = [:]
    for cache in caches { await cache.settle() }
    let usage = try fixture.usage(at: root)
    #expect(usage.counted == usage.real, "seed \(seed)")
    let expected = files.indices.reduce(Int64(0)) { sum, member in
      sum
        + present[member].reduce(Int64(0)) {
          $0 + BlockMath.length(of: $1..<$1 + 1, in: UInt64(files[member].bytes.count))
        }
    }
    // A damaged block still uses its space, until it is evicted.
    let isClean = damaged.allSatisfy(\.isEmpty)
    #expect(!isClean || usage.real == expected, "seed \(seed)")
  }
}

@Suite struct SparseModelTests {
  @Test(arguments: [false, true], 0..<4)
  func randomOperationsMatchTheModel(costs: Bool, round: Int) async throws {
    let seed = UInt64.random(in: .min ... .max)
    print("SparseModelTests seed \(seed) costs \(costs)")
    let play = try await SparsePlay(seed: seed, costs: costs)
    for step in 0..<40 {
      try await play.step()
      if step.isMultiple(of: 10) { try await play.check() }
    }
    try await play.check()
  }
}
