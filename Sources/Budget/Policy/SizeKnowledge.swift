import Tasks

/// What is known of a task's size before it is downloaded; decides the ``Estimate``.
package struct SizeKnowledge: Sendable {
  /// One finished download of the same source.
  package struct Past: Sendable, Hashable {
    package let bytes: ByteCount
    /// nil where the API did not say.
    package let episodes: Int?

    package init(bytes: ByteCount, episodes: Int?) {
      self.bytes = bytes
      self.episodes = episodes
    }
  }

  /// The largest of the task's own settled downloads, and its day in local time (`2026-03-14`).
  package var ownDownload: (bytes: ByteCount, day: String)?
  /// The size that the cache's index has of the complete listing.
  package var indexedSize: ByteCount?
  /// The most that arrived of a download of this task that was never settled.
  package var arrivedBefore = ByteCount.zero
  /// How many episodes the task has; nil where the API did not say.
  package var episodes: Int?
  /// The source's settled downloads, the latest first.
  package var history: [Past] = []
  package var assumeUnknown = BudgetCaps.defaultAssumption

  package init() {}

  /// Of two numbers for the same thing the larger one is taken: an estimate that is too high is settled down, one that is
  /// too low lets a cap be overrun.
  package func estimate() -> Estimate {
    if let ownDownload, ownDownload.bytes >= indexedSize ?? .zero {
      let evidence = "its own download of \(ownDownload.day)"
      return Estimate(bytes: ownDownload.bytes, basis: .exact, evidence: evidence)
    }
    if let indexedSize {
      return Estimate(bytes: indexedSize, basis: .exact, evidence: "its listing in the cache")
    }
    let assumed = byEpisodes() ?? bySize()
    guard arrivedBefore > assumed.bytes else { return assumed }
    return Estimate(bytes: arrivedBefore, basis: .assumed, evidence: "what arrived of an earlier download of it")
  }

  /// `assume_unknown`, unless past downloads were larger.
  private func bySize() -> Estimate {
    if let usual = Self.percentile95(of: history.map(\.bytes)), usual > assumeUnknown {
      return Estimate(bytes: usual, basis: .assumed, evidence: "95th percentile of \(history.count) downloads")
    }
    return Estimate(bytes: assumeUnknown, basis: .assumed, evidence: "assume_unknown")
  }

  /// The smallest of the sizes that at least 95 of 100 do not exceed (nearest rank), or nil for none.
  package static func percentile95(of sizes: [ByteCount]) -> ByteCount? {
    guard !sizes.isEmpty else { return nil }
    let rank = (sizes.count * 95 + 99) / 100
    return sizes.sorted()[rank - 1]
  }
}

// MARK: By episodes

extension SizeKnowledge {
  /// The fewest downloads that a 95th percentile of the *next* one can be told from: of 19 in random order and a twentieth,
  /// the twentieth is the largest once in 20 times.
  package static let fewestDownloads = 19
  /// So many of the latest downloads are looked at: what tasks take changes over time. (All of them, and 60, were measured too:
  /// with all, a source whose tasks grow by a half per cent each is too low in 11 of 100; 60 are hardly better than 100.)
  package static let latestDownloads = 100

  private struct Rated {
    let bytes: Int64
    let episodes: Int64

    /// Bytes an episode, rounded up.
    var rate: Int64 { bytes / episodes + (bytes % episodes == 0 ? 0 : 1) }

    /// By how many times the number of episodes differs.
    func distance(to other: Int64) -> Double {
      let ratio = Double(episodes) / Double(other)
      return max(ratio, 1 / ratio)
    }
  }

  /// The task's episodes at what an episode took in similar tasks; nil when too little is known.
  ///
  /// Similar is the third of the latest downloads whose number of episodes is nearest: what a task has beside its episodes
  /// weighs less the more there are. What an episode took is the 95th percentile, counted so that the next download exceeds it once in
  /// 20 times if it is like them: the value of rank `ceil(0.95 * (n + 1))` of n.
  package func byEpisodes() -> Estimate? {
    guard let wanted = episodes.map(Int64.init), wanted > 0 else { return nil }
    let known = history.lazy.compactMap { past in
      past.episodes.flatMap { $0 > 0 ? Rated(bytes: past.bytes.bytes, episodes: Int64($0)) : nil }
    }.prefix(Self.latestDownloads)
    guard known.count >= Self.fewestDownloads else { return nil }
    let nearest = known.sorted { $0.distance(to: wanted) < $1.distance(to: wanted) }
      .prefix(max(Self.fewestDownloads, known.count / 3))
    let rank = ((nearest.count + 1) * 95 + 99) / 100
    let rate = nearest.map(\.rate).sorted()[min(rank, nearest.count) - 1]
    // Nothing was seen of so few: what is beside the episodes is not scaled down any further.
    let reckoned = max(wanted, nearest.map(\.episodes).min() ?? wanted)
    let (bytes, overflow) = rate.multipliedReportingOverflow(by: reckoned)
    let scale = reckoned == wanted ? "\(wanted) episodes" : "\(wanted) episodes, reckoned as \(reckoned),"
    let evidence = "\(scale) at \(ByteCount(rate).formatted), 95th percentile of \(nearest.count) similar downloads"
    return Estimate(bytes: ByteCount(overflow ? .max : bytes), basis: .assumed, evidence: evidence)
  }
}
