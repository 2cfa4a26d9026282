import Archives
import TestSupport
import Testing

@testable import TaskTree

@Suite("Checksums of parts, put together")
struct ContentSumsTests {
  private func sum(_ bytes: some Collection<UInt8>) -> UInt32 { Array(bytes).withUnsafeBytes { crc32($0) } }

  @Test("Parts in any order give the checksum of the whole")
  func anyOrder() {
    let seed = UInt64.random(in: .min ... .max)
    print("seed \(seed)")
    var chance = SeededGenerator(seed: seed)
    for _ in 0..<50 {
      let bytes = (0..<Int.random(in: 1...5_000, using: &chance)).map { _ in
        UInt8.random(in: .min ... .max, using: &chance)
      }
      var cuts = Set(
        (0..<Int.random(in: 0...9, using: &chance)).map { _ in Int.random(in: 0...bytes.count, using: &chance) })
      cuts.formUnion([0, bytes.count])
      let places = cuts.sorted()
      var sums = ContentSums()
      let parts = zip(places, places.dropFirst()).shuffled(using: &chance)
      for (start, end) in parts {
        #expect(sums.whole(UInt64(bytes.count)) == nil)
        let isNew = sums.add(UInt64(start)..<UInt64(end), sum(bytes[start..<end]))
        #expect(isNew)
      }
      #expect(sums.whole(UInt64(bytes.count)) == sum(bytes))
      #expect(sums.whole(UInt64(bytes.count) + 1) == nil)
    }
  }

  @Test("What comes twice is told")
  func twice() {
    var sums = ContentSums()
    let first = [sums.add(10..<20, 1), sums.add(30..<40, 2)]
    #expect(first == [true, true])
    for range in [10..<20, 5..<11, 19..<25, 0..<50, 12..<15, 25..<31] as [Range<UInt64>] {
      var copy = sums
      let isNew = copy.add(range, 3)
      #expect(!isNew, "\(range)")
    }
    let last = [sums.add(20..<30, 3), sums.add(7..<7, 9)]
    #expect(last == [true, true])
  }
}
