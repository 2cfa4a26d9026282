import Glibc

/// Tasks of the screenplay API with random numbers of episodes and sizes, for measuring how good estimates are.
public enum RandomTasks {
  /// How the bytes of an episode are spread over the tasks of a source.
  public enum Spread: String, Sendable, CaseIterable {
    /// All episodes are much alike.
    case narrow
    /// A few tasks are many times as large as the usual one.
    case wide
    /// Two kinds of tasks, without and with spreadsheets, and nothing between them.
    case bimodal
  }

  public static let episodes = 5...200

  /// So many tasks, the same for a seed every time, with ids `random-SEED-0` and so on. Each runs, and says of how many episodes, until
  /// its state is set to completed or, with `secondsPerEpisode`, by itself.
  /// - Parameter scale: what every size is multiplied by; 1 is some hundred kilobytes an episode, as transcripts are.
  public static func make(
    count: Int, seed: UInt64, spread: Spread = .wide, scale: Double = 1, secondsPerEpisode: Double? = nil
  ) -> [SimulatedTask] {
    var numbers = SplitMix64(state: seed)
    // One block for all of them: each has 64 KiB of its own otherwise.
    let content = GeneratedContent(seed: seed, size: 0, texture: .text)
    return (0..<count).map { number in
      let episodes = Int.random(in: episodes, using: &numbers)
      let usual = bytesPerEpisode(spread, &numbers) * scale
      let script: TaskScript =
        secondsPerEpisode.map { .progressing(totalEpisodes: episodes, secondsPerEpisode: $0) }
        ?? .fixed(.running(completedEpisodes: Int.random(in: 0..<episodes, using: &numbers), totalEpisodes: episodes))
      let files = (0..<episodes).flatMap { episode in
        // Episodes of a task differ by up to a third from one another.
        episodeFiles(episode, bytes: usual * Double.random(in: 0.67...1.33, using: &numbers), content)
      }
      return SimulatedTask(id: "random-\(seed)-\(number)", script: script, result: .files(files, style: .streamed))
    }
  }

  /// The number of episodes of a task that ``make(count:seed:spread:scale:secondsPerEpisode:)`` gave.
  public static func episodes(of task: SimulatedTask) -> Int {
    guard case .files(let files, _) = task.result else { return 0 }
    return files.count / filesPerEpisode
  }

  private static func bytesPerEpisode(_ spread: Spread, _ numbers: inout SplitMix64) -> Double {
    switch spread {
    case .narrow: return Double.random(in: 380_000...460_000, using: &numbers)
    case .wide:
      // Between 100 KB and 3.2 MB, the larger the seldomer: five doublings, of which a square favours the first.
      let step = Double.random(in: 0...1, using: &numbers)
      return 100_000 * exp2(5 * step * step)
    case .bimodal:
      let isLarge = Int.random(in: 0..<3, using: &numbers) == 0
      return isLarge
        ? Double.random(in: 2_400_000...2_800_000, using: &numbers)
        : Double.random(in: 150_000...190_000, using: &numbers)
    }
  }

  private static let filesPerEpisode = 3

  /// Transcript, storyboard and spreadsheet, as the download page lists them.
  private static func episodeFiles(_ episode: Int, bytes: Double, _ content: GeneratedContent) -> [SimulatedFile] {
    [("transcript.json", 0.2), ("storyboard.json", 0.5), ("storyboard.xlsx", 0.3)].map { name, part in
      SimulatedFile(
        name: Array("E\(episode + 1)_\(name)".utf8), content: .generated(content.with(size: Int64(bytes * part))),
        method: .deflated(level: 1))
    }
  }
}
