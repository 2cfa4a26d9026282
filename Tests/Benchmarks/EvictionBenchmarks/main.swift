import EvictionTraces

// What the eviction policy is worth: EvictionBenchmarks [SEEDS]. Replays generated traces against Greedy-Dual-Size-Frequency
// and against least-recently-used, and prints what fetching again cost under the one for each 1.00 under the other.

let seeds = CommandLine.arguments.count > 1 ? UInt64(CommandLine.arguments[1]) ?? 5 : 5

/// A number with two decimals.
func format(_ ratio: Double) -> String {
  let hundredths = Int((ratio * 100).rounded())
  return "\(hundredths / 100)." + (hundredths % 100 < 10 ? "0" : "") + "\(hundredths % 100)"
}

print("cost of fetching again, GDSF for each 1.00 of LRU")
for kind in TraceKind.allCases {
  var sums = (gdsf: TraceCost(), lru: TraceCost())
  var lines: [String] = []
  for seed in 1...max(1, seeds) {
    let trace = AccessTrace(kind: kind, seed: seed)
    let gdsf = trace.replay(policy: .greedyDualSizeFrequency)
    let lru = trace.replay(policy: .leastRecentlyUsed)
    lines.append("\(format(gdsf.money / lru.money))/\(format(gdsf.waiting / lru.waiting))")
    sums.gdsf.add(gdsf)
    sums.lru.add(lru)
  }
  print(
    "\(kind.rawValue): money \(format(sums.gdsf.money / sums.lru.money)), waiting \(format(sums.gdsf.waiting / sums.lru.waiting))"
      + "; by seed (money/waiting): \(lines.joined(separator: " "))")
}
