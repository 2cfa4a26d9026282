import Testing

@testable import APISimulator

@Suite struct RandomTasksTests {
  /// Bytes per episode of each task.
  private func sizes(_ spread: RandomTasks.Spread) -> [Double] {
    RandomTasks.make(count: 60, seed: 11, spread: spread).map {
      Double($0.result.originalBytes) / Double(RandomTasks.episodes(of: $0))
    }.sorted()
  }

  @Test func theSameForASeed() {
    let (one, same) = (RandomTasks.make(count: 8, seed: 4), RandomTasks.make(count: 8, seed: 4))
    #expect(one == same)
    #expect(one != RandomTasks.make(count: 8, seed: 5))
    #expect(Set(one.map(\.id)).count == 8)
  }

  @Test(arguments: RandomTasks.Spread.allCases) func episodesAreToldWhileRunning(spread: RandomTasks.Spread) {
    for task in RandomTasks.make(count: 40, seed: 3, spread: spread) {
      guard case .running(let completed, let total) = task.script.state(after: 0) else {
        Issue.record("\(task.id) does not run")
        continue
      }
      #expect(RandomTasks.episodes.contains(total) && completed < total)
      #expect(RandomTasks.episodes(of: task) == total)
    }
    let finished = RandomTasks.make(count: 1, seed: 3, secondsPerEpisode: 1).first
    #expect(finished?.script.state(after: 200) == .completed)
  }

  @Test func spreads() throws {
    let narrow = sizes(.narrow)
    let (smallest, largest) = (try #require(narrow.first), try #require(narrow.last))
    #expect(largest / smallest < 1.7)
    let wide = sizes(.wide)
    #expect(wide[wide.count - 1] / wide[wide.count / 2] > 3)
    let bimodal = sizes(.bimodal)
    #expect(!bimodal.contains { (300_000...1_500_000).contains($0) })
    #expect((10...30).contains(bimodal.filter { $0 > 1_500_000 }.count))
  }

  @Test func scale() {
    let (one, tenth) = (RandomTasks.make(count: 1, seed: 1), RandomTasks.make(count: 1, seed: 1, scale: 0.1))
    let ratio = Double(one[0].result.originalBytes) / Double(tenth[0].result.originalBytes)
    #expect((9.9...10.1).contains(ratio))
  }
}
