import Foundation
import ResultCache
import Tasks
import TestSupport

/// What a trace is like.
public enum TraceKind: String, CaseIterable, Sendable {
  /// Few things are used often, many seldom (Zipf), for good.
  case steady
  /// The same, and now and then somebody reads everything once.
  case scans
  /// What is popular changes with time.
  case shifting
}

/// What it cost to fetch again what had been there before or never was.
public struct TraceCost: Hashable, Sendable {
  /// Micro-dollars.
  public var money = 0.0
  /// Milliseconds.
  public var waiting = 0.0

  public init() {}

  public mutating func add(_ other: TraceCost) {
    money += other.money
    waiting += other.waiting
  }
}

/// A generated course of accesses, the same for the same seed.
public struct AccessTrace: Sendable {
  public enum Policy: Sendable {
    case greedyDualSizeFrequency
    case leastRecentlyUsed
  }

  struct Item: Sendable {
    let bytes: Int64
    let isBilled: Bool
    let price: PricePerGigabyte
  }

  let items: [Item]
  let accesses: [Int]
  let capacity: Int64

  /// - Parameters:
  ///   - items: how many things there are, of 4 KB to 400 MB.
  ///   - accesses: how often any of them is used, without those of scans.
  ///   - share: of all bytes that fit into the cache.
  public init(
    kind: TraceKind, seed: UInt64, items count: Int = 1_000, accesses length: Int = 10_000, share: Double = 0.1
  ) {
    var generator = SeededGenerator(seed: seed)
    items = (0..<count).map { _ in Self.item(&generator) }
    capacity = Int64(Double(items.reduce(0) { $0 + $1.bytes }) * share)
    var ranks = Array(0..<count).shuffled(using: &generator)
    // Zipf with exponent 0.9, as web caches see it.
    var sum = 0.0
    let cumulative = (1...count).map { rank -> Double in
      sum += 1 / pow(Double(rank), 0.9)
      return sum
    }
    var accesses: [Int] = []
    for step in 0..<length {
      if kind == .scans, step % (length / 4) == length / 8 { accesses += 0..<count }
      // Everybody's place in the order of popularity moves on a little.
      if kind == .shifting, step % max(1, length / 200) == 0 {
        ranks.swapAt(.random(in: 0..<count / 20, using: &generator), .random(in: 0..<count, using: &generator))
      }
      let point = Double.random(in: 0..<sum, using: &generator)
      var (low, high) = (0, count - 1)
      while low < high {
        let middle = (low + high) / 2
        if cumulative[middle] < point { low = middle + 1 } else { high = middle }
      }
      accesses.append(ranks[low])
    }
    self.accesses = accesses
  }

  private static func item(_ generator: inout SeededGenerator) -> Item {
    // The logarithm of sizes is even, and most things are small: the smaller of two.
    let exponent = min(
      Double.random(in: 3.6...8.6, using: &generator), Double.random(in: 3.6...8.6, using: &generator))
    let isBilled = Int.random(in: 0..<10, using: &generator) < 3
    let cents = Int64.random(in: 5...50, using: &generator)
    return Item(
      bytes: Int64(pow(10, exponent)), isBilled: isBilled,
      price: PricePerGigabyte(Dollars(microDollars: cents * 10_000)))
  }

  private struct Resident {
    var uses: Int64 = 1
    var age: Double
    var lastUsed: Int64
  }

  /// What it costs to serve all accesses with a cache under a policy.
  public func replay(policy: Policy) -> TraceCost {
    var resident: [Int: Resident] = [:]
    var used: Int64 = 0
    var ages = EvictionAges(free: 0, billed: 0)
    var cost = TraceCost()
    for (step, index) in accesses.enumerated() {
      let item = items[index]
      let age = ages.age(isBilled: item.isBilled)
      if var known = resident[index] {
        known.uses += 1
        known.age = age
        known.lastUsed = Int64(step)
        resident[index] = known
        continue
      }
      cost.waiting += EvictionPriority.cost(ofFetching: item.bytes)
      if item.isBilled { cost.money += EvictionPriority.cost(ofBuying: item.bytes, at: item.price) }
      let need = EvictionPlan.Need(overSize: used + item.bytes - capacity, underFree: 0)
      if !need.isMet {
        let plan = EvictionPlan(resident.map { candidate($0.key, $0.value, policy) }, need: need)
        for victim in plan.victims {
          resident[Int(victim.task)] = nil
          used -= victim.bytes
          ages.drop(victim)
        }
        if !plan.suffices { continue }
      }
      resident[index] = Resident(age: ages.age(isBilled: item.isBilled), lastUsed: Int64(step))
      used += item.bytes
    }
    return cost
  }

  private func candidate(_ index: Int, _ known: Resident, _ policy: Policy) -> EvictionPlan.Candidate {
    let item = items[index]
    let cost =
      item.isBilled
      ? EvictionPriority.cost(ofBuying: item.bytes, at: item.price) : EvictionPriority.cost(ofFetching: item.bytes)
    let priority =
      switch policy {
      case .greedyDualSizeFrequency:
        EvictionPriority.of(age: known.age, uses: known.uses, cost: cost, bytes: item.bytes)
      case .leastRecentlyUsed: Double(known.lastUsed)
      }
    return EvictionPlan.Candidate(
      unit: .stream(task: Int64(index)), task: Int64(index), bytes: item.bytes, isBilled: item.isBilled,
      isPinned: false,
      isInUse: false, priority: priority, lastUsed: known.lastUsed)
  }
}
