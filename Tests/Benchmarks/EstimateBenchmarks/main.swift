import Budget
import Foundation
import Tasks

// How far the sizes that the ledger assumes are from the sizes that tasks turn out to have, for random tasks of several kinds of
// source: each task is estimated from those before it, then joins them. The seeds are fixed, so two runs print the same.

/// A way to guess.
struct Rule {
  let name: String
  let assumeUnknown: ByteCount
  let usesEpisodes: Bool

  static let all = [
    Rule(name: "plain", assumeUnknown: BudgetCaps.defaultAssumption, usesEpisodes: false),
    Rule(name: "plain, no least", assumeUnknown: .zero, usesEpisodes: false),
    Rule(name: "by episodes", assumeUnknown: BudgetCaps.defaultAssumption, usesEpisodes: true),
  ]

  func estimate(_ task: Population.Task, after history: [SizeKnowledge.Past]) -> ByteCount {
    var knowledge = SizeKnowledge()
    knowledge.assumeUnknown = assumeUnknown
    knowledge.history = history
    if usesEpisodes { knowledge.episodes = task.episodes }
    return knowledge.estimate().bytes
  }
}

/// What came of the estimates of one rule.
struct Errors {
  /// Estimated to real.
  private(set) var ratios: [Double] = []
  private(set) var reserved = 0.0
  private(set) var real = 0.0

  mutating func add(_ estimate: ByteCount, _ task: Population.Task) {
    ratios.append(Double(estimate.bytes) / Double(task.bytes))
    reserved += Double(estimate.bytes)
    real += Double(task.bytes)
  }

  var tooLow: Double { Double(ratios.count { $0 < 1 }) / Double(ratios.count) }
  var median: Double { ratios.sorted()[ratios.count / 2] }
  /// The median of those that were too low: how much of the real size was not reserved.
  var shortfall: Double {
    let low = ratios.filter { $0 < 1 }.sorted()
    return low.isEmpty ? 0 : 1 - low[low.count / 2]
  }
}

/// What came of each rule.
func measure(_ population: Population, seeds: Range<UInt64>, tasks count: Int) -> [Errors] {
  var errors = Rule.all.map { _ in Errors() }
  for seed in seeds {
    var history: [SizeKnowledge.Past] = []
    for task in population.tasks(count, seed) {
      if history.count >= SizeKnowledge.fewestDownloads {
        for (index, rule) in Rule.all.enumerated() { errors[index].add(rule.estimate(task, after: history), task) }
      }
      history.insert(SizeKnowledge.Past(bytes: ByteCount(task.bytes), episodes: task.episodes), at: 0)
    }
  }
  return errors
}

func cell(_ value: Double, _ format: String) -> String { String(format: format, value) }

print("| source | rule | too low | short by (median) | reserved / real (median) | reserved / real (sum) |")
print("|---|---|---|---|---|---|")
for population in Population.all {
  for (rule, errors) in zip(Rule.all, measure(population, seeds: 1..<51, tasks: 200)) {
    let cells = [
      population.name, rule.name, cell(errors.tooLow * 100, "%.1f %%"), cell(errors.shortfall * 100, "%.0f %%"),
      cell(errors.median, "%.1f"), cell(errors.reserved / errors.real, "%.1f"),
    ]
    print("| " + cells.joined(separator: " | ") + " |")
  }
}
