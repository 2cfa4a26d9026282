import Foundation
import TestSupport

/// A kind of source: how many episodes its tasks have, and what they take. Sizes are in bytes.
struct Population {
  struct Task {
    let episodes: Int
    let bytes: Int64
  }

  let name: String
  let episodes: ClosedRange<Int>
  /// What an episode takes in the median task.
  let perEpisode: Double
  /// How much tasks differ from one another: the deviation of the logarithm.
  let spread: Double
  /// What a task has beside its episodes.
  let fixed: Double
  /// By how much what an episode takes grows from one task to the next.
  var growth = 0.0
  /// How many of 1,000 tasks are ten times as large as they ought to be.
  var giants = 0

  static let all = [
    Population(name: "alike", episodes: 20...100, perEpisode: 1.2e6, spread: 0.15, fixed: 2e6),
    Population(name: "usual", episodes: 10...120, perEpisode: 1.2e6, spread: 0.4, fixed: 3e6),
    Population(name: "very different", episodes: 1...120, perEpisode: 2e6, spread: 1, fixed: 1e6),
    Population(name: "much beside the episodes", episodes: 1...100, perEpisode: 3e5, spread: 0.4, fixed: 3e7),
    Population(name: "growing", episodes: 10...120, perEpisode: 1.2e6, spread: 0.4, fixed: 3e6, growth: 0.005),
    Population(
      name: "a giant now and then", episodes: 10...120, perEpisode: 1.2e6, spread: 0.4, fixed: 3e6, giants: 20),
  ]

  func tasks(_ count: Int, seed: UInt64) -> [Task] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { number in
      let episodes = Int.random(in: self.episodes, using: &generator)
      var rate = perEpisode * exp(spread * Self.normal(&generator)) * pow(1 + growth, Double(number))
      if Int.random(in: 0..<1_000, using: &generator) < giants { rate *= 10 }
      // Episodes of one task differ less than tasks do.
      let content = (0..<episodes).reduce(0.0) { sum, _ in sum + rate * exp(0.2 * Self.normal(&generator)) }
      return Task(episodes: episodes, bytes: Int64(content + fixed * exp(0.2 * Self.normal(&generator))))
    }
  }

  /// Box and Muller.
  private static func normal(_ generator: inout SeededGenerator) -> Double {
    let radius = (-2 * log(Double.random(in: Double.leastNonzeroMagnitude...1, using: &generator))).squareRoot()
    return radius * cos(2 * .pi * Double.random(in: 0..<1, using: &generator))
  }
}
