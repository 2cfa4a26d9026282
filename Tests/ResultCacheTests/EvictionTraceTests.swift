#if canImport(EvictionTraces)
  import EvictionTraces
  import Testing

  @Suite struct EvictionTraceTests {
    /// The benchmark, small, with fixed seeds: it can't fail by chance.
    @Test(arguments: TraceKind.allCases)
    func costIsNoHigherThanThatOfTheOldestFirst(kind: TraceKind) {
      var (gdsf, lru) = (TraceCost(), TraceCost())
      for seed in UInt64(1)...3 {
        let trace = AccessTrace(kind: kind, seed: seed, items: 200, accesses: 1_500)
        gdsf.add(trace.replay(policy: .greedyDualSizeFrequency))
        lru.add(trace.replay(policy: .leastRecentlyUsed))
      }
      #expect(gdsf.money <= lru.money)
      #expect(gdsf.waiting < lru.waiting)
    }
  }
#endif
