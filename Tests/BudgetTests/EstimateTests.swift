import Tasks
import Testing

@testable import Budget

extension SizeKnowledge {
  fileprivate init(
    arrivedBefore: ByteCount = .zero, sizes: [ByteCount] = [], assumeUnknown: ByteCount = BudgetCaps.defaultAssumption
  ) {
    self.init()
    self.arrivedBefore = arrivedBefore
    history = sizes.map { Past(bytes: $0, episodes: nil) }
    self.assumeUnknown = assumeUnknown
  }
}

@Suite("How large a download is expected to be")
struct EstimateTests {
  private func bytes(_ count: Int) -> ByteCount { ByteCount(count) }

  @Test("Nothing known: assume_unknown")
  func unknown() {
    var knowledge = SizeKnowledge()
    #expect(knowledge.estimate().bytes == bytes(1_000_000_000))
    knowledge.assumeUnknown = bytes(5)
    #expect(knowledge.estimate() == Estimate(bytes: bytes(5), basis: .assumed, evidence: "assume_unknown"))
  }

  @Test("Past downloads raise the assumption, and never lower it")
  func history() {
    var knowledge = SizeKnowledge(sizes: (1...31).map { bytes($0 * 10) }, assumeUnknown: bytes(290))
    let expected = Estimate(bytes: bytes(300), basis: .assumed, evidence: "95th percentile of 31 downloads")
    #expect(knowledge.estimate() == expected)
    knowledge.assumeUnknown = bytes(300)
    #expect(knowledge.estimate().evidence == "assume_unknown")
  }

  @Test(
    "95th percentile by nearest rank",
    arguments: [(1, 1), (19, 19), (20, 19), (21, 20), (40, 38), (100, 95), (1_000, 950)])
  func percentile(count: Int, expected: Int) {
    var generator = SystemRandomNumberGenerator()
    let sizes = (1...count).map { bytes($0) }.shuffled(using: &generator)
    #expect(SizeKnowledge.percentile95(of: sizes) == bytes(expected))
  }

  @Test("No downloads, no percentile")
  func noPercentile() {
    #expect(SizeKnowledge.percentile95(of: []) == nil)
  }

  @Test("Its own download and its listing are exact, also where less is assumed; the larger counts")
  func exact() {
    var knowledge = SizeKnowledge(sizes: [bytes(9_000)])
    knowledge.ownDownload = (bytes(7), "2026-03-14")
    #expect(
      knowledge.estimate() == Estimate(bytes: bytes(7), basis: .exact, evidence: "its own download of 2026-03-14"))
    knowledge.indexedSize = bytes(8)
    #expect(knowledge.estimate() == Estimate(bytes: bytes(8), basis: .exact, evidence: "its listing in the cache"))
    knowledge.ownDownload = nil
    #expect(knowledge.estimate().bytes == bytes(8))
  }

  @Test("What arrived of a broken download is the least that the next one has")
  func arrived() {
    let knowledge = SizeKnowledge(
      arrivedBefore: bytes(900), sizes: [bytes(800)], assumeUnknown: bytes(700))
    #expect(knowledge.estimate().bytes == bytes(900))
    #expect(knowledge.estimate().basis == .assumed)
  }
}
