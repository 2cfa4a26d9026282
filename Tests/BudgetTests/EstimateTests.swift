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

  // MARK: By episodes

  private func knowledge(_ past: [(bytes: Int, episodes: Int?)], episodes: Int?) -> SizeKnowledge {
    var knowledge = SizeKnowledge(assumeUnknown: bytes(1_000_000))
    knowledge.history = past.map { .init(bytes: bytes($0.bytes), episodes: $0.episodes) }
    knowledge.episodes = episodes
    return knowledge
  }

  /// So many downloads of ten episodes, of which the one with number n took n * 1,000 bytes an episode.
  private func past(_ count: Int) -> [(bytes: Int, episodes: Int?)] { (1...count).map { ($0 * 10_000, 10) } }

  @Test("Episodes at what an episode took, rounded up, even where assume_unknown is more; 18 downloads are too few")
  func episodes() {
    let estimate = knowledge(past(19), episodes: 20).estimate()
    #expect(estimate.bytes == bytes(380_000) && estimate.basis == .assumed)
    #expect(estimate.evidence == "20 episodes at 19.00 kB, 95th percentile of 19 similar downloads")
    #expect(knowledge(past(18), episodes: 20).estimate().evidence == "assume_unknown")
    #expect(knowledge(past(19), episodes: nil).estimate().evidence == "assume_unknown")
    #expect(knowledge(past(19), episodes: 0).estimate().evidence == "assume_unknown")
    let odd = knowledge(Array(repeating: (10_001, 10), count: 19), episodes: 10)
    #expect(odd.estimate().bytes == bytes(10_010))
  }

  @Test(
    "The 19th of 19 and of 20, the 20th of 20: never more than one in 20 of the next ones is larger",
    arguments: [
      (19, 19), (20, 20), (21, 21), (38, 38), (39, 38), (57, 56),
    ])
  func rank(count: Int, expected: Int) {
    // Three times as many, of which the third with other numbers of episodes is not looked at.
    let others = Array(repeating: (bytes: 1_000_000, episodes: Int?(1_000)), count: 100)
    let mixed = knowledge(past(count) + others.prefix(2 * count), episodes: 10).estimate()
    let nearest = min(max(19, min(3 * count, 100) / 3), count)
    #expect(mixed.evidence.contains("of \(nearest) similar downloads"))
    if 3 * count <= 100 { #expect(mixed.bytes == bytes(expected * 10_000)) }
  }

  @Test("Only the latest hundred, and of them the third with the most similar number of episodes")
  func nearest() {
    let old = Array(repeating: (bytes: 9_000_000, episodes: Int?(30)), count: 400)
    let far = Array(repeating: (bytes: 5_000_000, episodes: Int?(3)), count: 67)
    let near = Array(repeating: (bytes: 300_000, episodes: Int?(29)), count: 33)
    let estimate = knowledge(far + near + old, episodes: 30).estimate()
    #expect(estimate.evidence == "30 episodes at 10.34 kB, 95th percentile of 33 similar downloads")
  }

  @Test("Fewer episodes than any similar download had are reckoned as that many")
  func few() {
    let estimate = knowledge(past(19), episodes: 2).estimate()
    #expect(estimate.bytes == bytes(190_000))
    #expect(estimate.evidence == "2 episodes, reckoned as 10, at 19.00 kB, 95th percentile of 19 similar downloads")
  }

  @Test("What is known exactly, and what has arrived of it, count before episodes")
  func before() {
    var known = knowledge(past(19), episodes: 20)
    known.arrivedBefore = bytes(380_001)
    #expect(known.estimate().bytes == bytes(380_001))
    known.indexedSize = bytes(5)
    #expect(known.estimate() == Estimate(bytes: bytes(5), basis: .exact, evidence: "its listing in the cache"))
  }

  @Test("Absurd numbers saturate")
  func absurd() {
    let huge = Array(repeating: (bytes: Int.max, episodes: Int?(1)), count: 19)
    #expect(knowledge(huge, episodes: .max).estimate().bytes == bytes(.max))
  }
}
