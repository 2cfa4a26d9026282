import Tasks
import TestSupport
import Testing

@testable import ResultCache

@Suite struct EvictionPlanTests {
  private func candidate(
    _ id: Int64, bytes: Int64 = 10, billed: Bool = false, pinned: Bool = false, inUse: Bool = false, used: Int64 = 0
  ) -> EvictionPlan.Candidate {
    EvictionPlan.Candidate(
      unit: .stream(task: id), task: id, bytes: bytes, isBilled: billed, isPinned: pinned, isInUse: inUse,
      priority: Double(used), lastUsed: 0)
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
    #expect(EvictionPlan(all, need: need(size: 50)).victims.map(\.task) == [3, 2, 6, 4, 1])
    #expect(EvictionPlan(all, need: need(size: 11)).victims.map(\.task) == [3, 2])
    #expect(EvictionPlan(all, need: need(size: 10)).victims.map(\.task) == [3])
  }

  @Test func slackTakesOnlyWhatIsFreeAndUnused() {
    let all = [
      candidate(1, billed: true, used: 1), candidate(2, used: 9), candidate(3, used: 3), candidate(6, inUse: true),
    ]
    #expect(EvictionPlan(all, need: need(size: 1), slack: 100).victims.map(\.task) == [3, 2])
    #expect(EvictionPlan(all, need: need(size: 1), slack: 9).victims.map(\.task) == [3])
    #expect(EvictionPlan(all, need: need(), slack: 100).victims.isEmpty)
    #expect(EvictionPlan(all, need: need(size: 31), slack: 100).victims.map(\.task) == [3, 2, 6, 1])
  }

  @Test func nothingGoesInVain() {
    let plan = EvictionPlan([candidate(1), candidate(2, pinned: true)], need: need(size: 11))
    #expect(plan.victims.isEmpty)
    #expect(!plan.suffices)
  }

  @Test func whatIsBeingReadFreesNoDisk() {
    let all = [candidate(1, inUse: true), candidate(2, billed: true)]
    #expect(EvictionPlan(all, need: need(disk: 10)).victims.map(\.task) == [2])
    #expect(EvictionPlan(all, need: need(size: 10)).victims.map(\.task) == [1])
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
      let bytes = plan.victims.map(\.bytes)
      #expect(plan.suffices == (movable.reduce(0) { $0 + $1.bytes } >= wanted || wanted <= 0), "seed \(seed)")
      guard plan.suffices, wanted > 0 else {
        #expect(plan.victims.isEmpty, "seed \(seed)")
        continue
      }
      #expect(bytes.reduce(0, +) >= wanted && bytes.dropLast().reduce(0, +) < wanted, "seed \(seed)")
      let keepsFree = movable.contains { !$0.isBilled && $0.bytes > 0 && !plan.victims.contains($0) }
      let dropsBilled = movable.contains { $0.isBilled && plan.victims.contains($0) }
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

  private let place = CachedPlace(headerOffset: 9, limit: 99, compressedSize: ByteCount(5), method: 8)

  private func listed(_ ordinal: Int64, _ path: String, _ state: MemberRow.State = .evicted, part: Bool = false)
    -> GenerationMerge.Entry
  {
    GenerationMerge.Entry(
      ordinal: ordinal, path: path, size: 10, crc32: 1, state: state, hasPart: part, place: place)
  }

  @Test func anotherLookAtTheSamePackageKeepsWhatIsHere() {
    let old = [
      listed(0, "whole", .stored, part: true), listed(1, "partial", part: true), listed(2, "none"),
      listed(3, "damaged", .damaged, part: true),
    ]
    let new = (0..<4).map { listed(Int64($0), ["whole", "partial", "none", "damaged"][$0]) }
    let merge = GenerationMerge(old: old, new: new, ending: .complete, relation: .samePackage)
    #expect(merge.kept.map(\.ordinal) == [0, 1, 3])
    #expect(merge.kept.allSatisfy { $0.replacesNew && $0.newOrdinal == $0.ordinal })
    #expect(merge.isSameListing)
    let broken = GenerationMerge(old: old, new: Array(new.prefix(1)), ending: .broken, relation: .samePackage)
    #expect(broken.kept.map(\.ordinal) == [0, 1, 2, 3])
  }

  @Test func anotherPackageKeepsNothing() {
    let old = [listed(0, "whole", .stored, part: true), listed(1, "partial", part: true)]
    for ending in [GenerationMerge.Ending.complete, .broken] {
      let merge = GenerationMerge(old: old, new: [listed(0, "whole")], ending: ending, relation: .unrelated)
      #expect(merge.kept.isEmpty)
    }
    let (one, other) = (
      PackageVersion(size: ByteCount(1), validator: "a"), PackageVersion(size: ByteCount(1), validator: nil)
    )
    #expect(GenerationMerge.Relation(old: nil, new: nil) == .streams)
    #expect(GenerationMerge.Relation(old: one, new: one) == .samePackage)
    #expect(GenerationMerge.Relation(old: one, new: other) == .unrelated)
    #expect(GenerationMerge.Relation(old: one, new: nil) == .unrelated)
    #expect(GenerationMerge.Relation(old: nil, new: one) == .unrelated)
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
