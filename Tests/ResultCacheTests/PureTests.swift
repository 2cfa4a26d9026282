import TestSupport
import Testing

@testable import ResultCache

@Suite struct EvictionPlanTests {
  private func candidate(
    _ id: Int64, bytes: Int64 = 10, billed: Bool = false, pinned: Bool = false, inUse: Bool = false, used: Int64 = 0
  ) -> EvictionPlan.Candidate {
    EvictionPlan.Candidate(id: id, bytes: bytes, isBilled: billed, isPinned: pinned, isInUse: inUse, lastUsed: used)
  }

  private func need(size: Int64 = 0, disk: Int64 = 0) -> EvictionPlan.Need {
    EvictionPlan.Need(overSize: size, underFree: disk)
  }

  @Test func nothingGoesWhereNothingIsNeeded() {
    let plan = EvictionPlan([candidate(1)], need: need(size: -5, disk: 0))
    #expect(plan.victims.isEmpty)
    #expect(plan.suffices)
  }

  @Test func whatIsFreeGoesBeforeWhatCostsAndTheOldestFirst() {
    let all = [
      candidate(1, billed: true, used: 1), candidate(2, used: 9), candidate(3, used: 3),
      candidate(4, billed: true, used: 0), candidate(5, pinned: true, used: 0), candidate(6, inUse: true, used: 0),
    ]
    #expect(EvictionPlan(all, need: need(size: 50)).victims == [3, 2, 6, 4, 1])
    #expect(EvictionPlan(all, need: need(size: 11)).victims == [3, 2])
    #expect(EvictionPlan(all, need: need(size: 10)).victims == [3])
  }

  @Test func nothingGoesInVain() {
    let plan = EvictionPlan([candidate(1), candidate(2, pinned: true)], need: need(size: 11))
    #expect(plan.victims.isEmpty)
    #expect(!plan.suffices)
  }

  @Test func whatIsBeingReadFreesNoDisk() {
    let all = [candidate(1, inUse: true), candidate(2, billed: true)]
    #expect(EvictionPlan(all, need: need(disk: 10)).victims == [2])
    #expect(EvictionPlan(all, need: need(size: 10)).victims == [1])
    #expect(!EvictionPlan([candidate(1, inUse: true)], need: need(disk: 1)).suffices)
  }

  @Test func randomPlansAreMinimalPrefixesOfTheOrder() {
    let seed = UInt64.random(in: .min ... .max)
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<500 {
      let all = (0..<Int64.random(in: 0...12, using: &generator)).map { id in
        candidate(
          id, bytes: .random(in: 0...20, using: &generator), billed: .random(using: &generator),
          pinned: Int.random(in: 0..<4, using: &generator) == 0, used: .random(in: 0...5, using: &generator))
      }
      let wanted = Int64.random(in: -5...120, using: &generator)
      let plan = EvictionPlan(all, need: need(size: wanted))
      let movable = all.filter { !$0.isPinned }
      let bytes = plan.victims.compactMap { id in all.first { $0.id == id }?.bytes }
      #expect(plan.suffices == (movable.reduce(0) { $0 + $1.bytes } >= wanted || wanted <= 0), "seed \(seed)")
      guard plan.suffices, wanted > 0 else {
        #expect(plan.victims.isEmpty, "seed \(seed)")
        continue
      }
      #expect(bytes.reduce(0, +) >= wanted && bytes.dropLast().reduce(0, +) < wanted, "seed \(seed)")
      let keepsFree = movable.contains { !$0.isBilled && $0.bytes > 0 && !plan.victims.contains($0.id) }
      let dropsBilled = movable.contains { $0.isBilled && plan.victims.contains($0.id) }
      #expect(!(keepsFree && dropsBilled), "seed \(seed)")
    }
  }
}

@Suite struct GenerationMergeTests {
  private func entry(
    _ ordinal: Int64, _ path: String, size: Int64 = 10, crc: UInt32? = 1, _ state: MemberRow.State = .stored
  ) -> GenerationMerge.Entry {
    GenerationMerge.Entry(ordinal: ordinal, path: path, size: size, crc32: crc, state: state)
  }

  @Test func aCompleteDownloadReplacesEverything() {
    let old = [entry(0, "a"), entry(1, "b", .evicted)]
    let merge = GenerationMerge(old: old, new: [entry(0, "a"), entry(1, "b")], ending: .complete)
    #expect(merge.kept.isEmpty)
    #expect(merge.isSameListing)
    let changed = GenerationMerge(old: old, new: [entry(0, "a", size: 11)], ending: .complete)
    #expect(!changed.isSameArchive)
    #expect(changed.kept.isEmpty)
  }

  @Test func aBrokenOneKeepsWhatItDidNotReach() {
    let old = [entry(0, "a", .evicted), entry(1, "b", .evicted), entry(2, "c")]
    let merge = GenerationMerge(old: old, new: [entry(0, "a")], ending: .broken)
    #expect(
      merge.kept == [
        .init(ordinal: 1, newOrdinal: 1, replacesNew: false), .init(ordinal: 2, newOrdinal: 2, replacesNew: false),
      ])
    #expect(merge.isSameArchive)
    #expect(!merge.isSameListing)
  }

  @Test func intactBytesOutliveAFailureOfTheSameFile() {
    for ending in [GenerationMerge.Ending.complete, .broken] {
      let merge = GenerationMerge(old: [entry(0, "a")], new: [entry(0, "a", crc: nil, .failed)], ending: ending)
      #expect(merge.kept == [.init(ordinal: 0, newOrdinal: 0, replacesNew: true)])
    }
    let other = GenerationMerge(old: [entry(0, "a")], new: [entry(0, "a", size: 12, .failed)], ending: .complete)
    #expect(other.kept.isEmpty)
  }

  @Test func aChangedArchiveKeepsOnlyBytesThatWerePaidFor() {
    let old = [entry(0, "a", .evicted), entry(1, "b"), entry(2, "c")]
    let merge = GenerationMerge(old: old, new: [entry(0, "x"), entry(1, "c", crc: 9)], ending: .broken)
    #expect(!merge.isSameArchive)
    #expect(merge.kept == [.init(ordinal: 1, newOrdinal: 3, replacesNew: false)])
  }

  @Test func namesThatOnlyLookAlikeAreDifferent() {
    // é, once as one character and once as e with a combining accent.
    let merge = GenerationMerge(old: [entry(0, "\u{e9}")], new: [entry(1, "e\u{301}")], ending: .broken)
    #expect(merge.kept.count == 1)
  }
}

@Suite struct ChunkChecksumTests {
  @Test func theStepsDoNotMatter() {
    let seed = UInt64.random(in: .min ... .max)
    var generator = SeededGenerator(seed: seed)
    let checksum = CountingChecksum().function
    for size in [0, 1, 15, 16, 17, 64, 1000] {
      let bytes = (0..<size).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
      var whole = ChunkChecksums(chunkSize: 16, checksum: checksum)
      bytes.withUnsafeBytes { whole.append($0) }
      var stepped = ChunkChecksums(chunkSize: 16, checksum: checksum)
      var rest = bytes[...]
      while !rest.isEmpty {
        let part = Array(rest.prefix(Int.random(in: 1...40, using: &generator)))
        part.withUnsafeBytes { stepped.append($0) }
        rest = rest.dropFirst(part.count)
      }
      #expect(whole.all == stepped.all, "seed \(seed), size \(size)")
      #expect(whole.all.count == (size + 15) / 16)
      #expect(ChecksumBlob.decode(ChecksumBlob.encode(whole.all)) == whole.all)
    }
    #expect(ChecksumBlob.decode([1, 2, 3]) == nil)
  }
}
