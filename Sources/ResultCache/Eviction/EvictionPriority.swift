import Tasks

/// What each cached thing is worth keeping: Greedy-Dual-Size-Frequency (L. Cherkasova, "Improving WWW proxies performance with
/// Greedy-Dual-Size-Frequency caching policy", HP Laboratories 1998).
///
/// A thing's priority is the age of the cache at its last use, plus how often it was used, times what fetching it again costs
/// for each byte that it occupies. The cache's age is the highest priority that was ever dropped: what is used no more is
/// overtaken by it sooner or later, however often it was used. What costs money and what is free have ages of their own, since
/// micro-dollars and milliseconds can't be compared.
package enum EvictionPriority {
  /// - Parameters:
  ///   - age: of the cache, at the last use.
  ///   - cost: of fetching it again.
  ///   - bytes: that dropping it frees.
  package static func of(age: Double, uses: Int64, cost: Double, bytes: Int64) -> Double {
    age + Double(max(1, uses)) * cost / Double(max(1, bytes))
  }

  /// What fetching costs that is paid for: micro-dollars.
  package static func cost(ofBuying bytes: Int64, at price: PricePerGigabyte) -> Double {
    Double(price.charge(for: ByteCount(bytes)).microDollars)
  }

  /// What fetching costs that is free: milliseconds of waiting. A request over a long way takes about 200 ms, and 10 MB/s are a
  /// usual share of a line; only the ratio of the two matters, and only its order of magnitude.
  package static func cost(ofFetching bytes: Int64) -> Double { 200 + Double(bytes) / 10_000 }
}

/// How old the cache is for each class of content.
package struct EvictionAges: Hashable, Sendable {
  package var free: Double
  package var billed: Double

  package init(free: Double, billed: Double) {
    self.free = free
    self.billed = billed
  }

  package func age(isBilled: Bool) -> Double { isBilled ? billed : free }

  /// Grows to the highest priority that was dropped.
  package mutating func drop(_ candidate: EvictionPlan.Candidate) {
    if candidate.isBilled {
      billed = max(billed, candidate.priority)
    } else {
      free = max(free, candidate.priority)
    }
  }
}
