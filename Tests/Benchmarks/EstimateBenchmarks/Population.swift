import APISimulator
import Foundation
import TestSupport

/// A kind of source: how many episodes its tasks have, and what they take.
struct Population: Sendable {
  struct Task {
    let episodes: Int
    let bytes: Int64
  }

  let name: String
  let tasks: @Sendable (_ count: Int, _ seed: UInt64) -> [Task]

  /// The simulator's random tasks, and some that are harder to guess.
  static let all =
    RandomTasks.Spread.allCases.map(simulated) + [
      made(Shape(name: "very different", episodes: 1...120, perEpisode: 2e6, spread: 1, fixed: 1e6)),
      made(Shape(name: "much beside the episodes", episodes: 1...100, perEpisode: 3e5, spread: 0.4, fixed: 3e7)),
      made(Shape(name: "growing", episodes: 10...120, perEpisode: 1.2e6, spread: 0.4, fixed: 3e6, growth: 0.005)),
      made(
        Shape(name: "a giant now and then", episodes: 10...120, perEpisode: 1.2e6, spread: 0.4, fixed: 3e6, giants: 20)),
    ]

  private static func simulated(_ spread: RandomTasks.Spread) -> Population {
    Population(name: "simulator, \(spread.rawValue)") { count, seed in
      RandomTasks.make(count: count, seed: seed, spread: spread).map { task in
        guard case .files(let files, _) = task.result else { return Task(episodes: 0, bytes: 0) }
        return Task(episodes: RandomTasks.episodes(of: task), bytes: files.reduce(0) { $0 + $1.size })
      }
    }
  }

  // MARK: Made up

  private struct Shape: Sendable {
    let name: String
    let episodes: ClosedRange<Int>
    /// Bytes an episode in the median task.
    let perEpisode: Double
    /// How much tasks differ from one another: the deviation of the logarithm.
    let spread: Double
    /// Bytes beside the episodes.
    let fixed: Double
    /// By how much what an episode takes grows from one task to the next.
    var growth = 0.0
    /// How many of 1,000 tasks are ten times as large as they ought to be.
    var giants = 0
  }

  private static func made(_ shape: Shape) -> Population {
    Population(name: shape.name) { count, seed in
      var generator = SeededGenerator(seed: seed)
      return (0..<count).map { number in
        let episodes = Int.random(in: shape.episodes, using: &generator)
        var rate = shape.perEpisode * exp(shape.spread * normal(&generator)) * pow(1 + shape.growth, Double(number))
        if Int.random(in: 0..<1_000, using: &generator) < shape.giants { rate *= 10 }
        // Episodes of one task differ less than tasks do.
        let content = (0..<episodes).reduce(0.0) { sum, _ in sum + rate * exp(0.2 * normal(&generator)) }
        return Task(episodes: episodes, bytes: Int64(content + shape.fixed * exp(0.2 * normal(&generator))))
      }
    }
  }

  /// Box and Muller.
  private static func normal(_ generator: inout SeededGenerator) -> Double {
    let radius = (-2 * log(Double.random(in: Double.leastNonzeroMagnitude...1, using: &generator))).squareRoot()
    return radius * cos(2 * .pi * Double.random(in: 0..<1, using: &generator))
  }
}
