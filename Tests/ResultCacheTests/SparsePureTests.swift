import TestSupport
import Testing

@testable import ResultCache

@Suite struct BlockSetTests {
  @Test func itIsASetOfNumbers() {
    let seed = UInt64.random(in: .min ... .max)
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      let count = Int.random(in: 0...300, using: &generator)
      var set = BlockSet(count: count)
      var model: Set<Int> = []
      for _ in 0..<10 {
        let lower = Int.random(in: 0...count, using: &generator)
        let run = lower..<Int.random(in: lower...count, using: &generator)
        if Bool.random(using: &generator) {
          set.insert(run)
          model.formUnion(run)
        } else {
          set.remove(run)
          model.subtract(run)
        }
        let probe = Int.random(in: 0...count, using: &generator)
        let looked = min(lower, probe)..<max(lower, probe)
        #expect(set.number(in: looked) == model.filter(looked.contains).count, "seed \(seed)")
        #expect(
          BlockScan.first(in: looked) { set.words[$0] } == model.filter(looked.contains).min(), "seed \(seed)")
        let runs = BlockScan.runs(in: looked) { set.words[$0] }
        #expect(runs.flatMap { Array($0) } == model.filter(looked.contains).sorted(), "seed \(seed)")
        #expect(zip(runs, runs.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound }, "seed \(seed)")
      }
      #expect(set.runs.flatMap { Array($0) } == model.sorted(), "seed \(seed)")
      #expect(set.isEmpty == model.isEmpty)
      #expect((0..<count).allSatisfy { set.contains($0) == model.contains($0) }, "seed \(seed)")
    }
    #expect(BlockSet(count: 130, isFull: true).runs == [0..<130])
  }

  @Test func bytesAndBlocks() {
    let size = UInt64(3 * block + 5)
    #expect(BlockMath.count(of: size) == 4)
    #expect(BlockMath.count(of: 0) == 0)
    #expect(BlockMath.blocks(of: 0..<1, in: size) == 0..<1)
    #expect(BlockMath.blocks(of: UInt64(block)..<UInt64(block), in: size).isEmpty)
    #expect(BlockMath.blocks(of: UInt64(block - 1)..<UInt64(block + 1), in: size) == 0..<2)
    #expect(BlockMath.blocks(of: 0..<UInt64.max, in: size) == 0..<4)
    #expect(BlockMath.blocks(of: size..<UInt64.max, in: size).isEmpty)
    #expect(BlockMath.bytes(of: 3..<4, in: size) == UInt64(3 * block)..<size)
    var set = BlockSet(count: 4)
    set.insert(2..<4)
    #expect(BlockMath.length(of: set, in: size) == Int64(block + 5))
  }
}

@Suite struct MapEntryTests {
  @Test func anEntryIsReadAsItWasWritten() {
    for state in [MapEntry.State.written, .durable, .damaged] {
      for checksum in [UInt32(0), 1, .max] {
        let entry = MapEntry(checksum: checksum, state: state)
        #expect(MapEntry.decode(entry.encoded(for: 7), block: 7) == .entry(entry))
        #expect(MapEntry.decode(entry.encoded(for: 7), block: 8) == .garbage, "it belongs to its block")
      }
    }
    #expect(MapEntry.decode(0, block: 3) == .absent)
  }

  @Test func aFlippedBitIsNoticed() {
    let raw = MapEntry(checksum: 0x1234_5678, state: .durable).encoded(for: 3)
    for bit in 0..<64 { #expect(MapEntry.decode(raw ^ 1 << UInt64(bit), block: 3) == .garbage, "bit \(bit)") }
  }
}

@Suite struct EvictionPriorityTests {
  @Test func frequencyCostAndSizeDecide() {
    func priority(age: Double = 0, uses: Int64 = 1, cost: Double = 10, bytes: Int64 = 10) -> Double {
      EvictionPriority.of(age: age, uses: uses, cost: cost, bytes: bytes)
    }
    #expect(priority(uses: 2) > priority())
    #expect(priority(cost: 11) > priority())
    #expect(priority(bytes: 11) < priority())
    #expect(priority(age: 1) > priority())
    #expect(priority(age: 100) > priority(uses: 90), "what is used no more is overtaken")
    #expect(priority(bytes: 0).isFinite)
  }

  @Test func smallFilesAreWorthTheirRoundTrip() {
    let small = EvictionPriority.of(age: 0, uses: 1, cost: EvictionPriority.cost(ofFetching: 10_000), bytes: 10_000)
    let large = EvictionPriority.of(age: 0, uses: 1, cost: EvictionPriority.cost(ofFetching: 1 << 30), bytes: 1 << 30)
    #expect(small > 10 * large)
  }
}
