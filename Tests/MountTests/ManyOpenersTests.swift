import APISimulator
import Foundation
import TestSupport
import Testing

@Suite("Many who open at once")
struct ManyOpenersTests {
  private static let files = [
    SimulatedFile(path: "a.bin", content: .generated(GeneratedContent(seed: 1, size: 100_000)), method: .stored)
  ]
  /// Dollars in millionths for one of these tasks, at 0.12 for 10^9 bytes.
  private static let cost = 12

  @Test(
    "Of 32 processes that open 100 tasks each under a budget for k, exactly k tasks are downloaded, all others are EDQUOT"
  )
  func exactly() async throws {
    let ids = (0..<100).map { "crowd-\($0)" }
    let tasks = ids.map { SimulatedTask(id: $0, files: Self.files) }
    let affordable = 23
    // What is assumed is what they have, so that settling gives nothing back; one micro-dollar short of one more.
    let total = Self.cost * affordable + Self.cost - 1
    let settings = MountedSystem.Settings(
      budget: ["total: 0.\(String(format: "%06d", total))", "assume_unknown: 100 KB"], tasks: ids)
    try await MountedSystem.with(tasks, settings) { system in
      let outcome = try await system.shell(
        """
        for p in $(seq 32); do
          ( seq 0 99 | shuf | while read -r t; do
              head -c 1 $M/screenplay/crowd-$t/results/a.bin > /dev/null 2>> $D/errors.$p && echo $t >> $D/got.$p
            done ) &
        done
        wait
        cat $D/got.* | sort -u | wc -l
        cat $D/errors.* | grep -vc 'Disk quota exceeded'
        cat $D/errors.* | wc -l
        """, timeout: 240)
      #expect(outcome.lines.first == "\(affordable)", "\(outcome.output) \(outcome.errors)")
      #expect(outcome.lines.dropFirst().first == "0", "another error than EDQUOT")
      #expect(system.simulator.counters().total.download == affordable)
      #expect(system.simulator.counters().total.billedMicroDollars == Int64(Self.cost * affordable))
      #expect(try await system.counted() == Int64(Self.cost * affordable))
      // Whoever came later was refused as often as he came.
      let refused = Int(outcome.lines.last ?? "") ?? 0
      #expect(refused == 32 * (100 - affordable), "\(refused)")
    }
  }

  @Test("No open waits for another task's download")
  func independent() async throws {
    let ids = ["slow", "quick"]
    let tasks = ids.map { SimulatedTask(id: $0, files: Self.files) }
    try await MountedSystem.with(tasks, MountedSystem.Settings(tasks: ids)) { system in
      system.simulator.setFaults([FaultRule(.with { $0.hold = true }, task: "slow", kind: .download)])
      let slow = try await system.start("cat $M/screenplay/slow/results/a.bin | wc -c")
      try await system.eventually("the slow download is on its way") { system.simulator.heldAnswers == 1 }
      let quick = try await system.shell("cat $M/screenplay/quick/results/a.bin | wc -c", timeout: 20)
      #expect(quick.output == "100000\n", "\(quick.errors)")
      #expect(system.simulator.heldAnswers == 1)
      system.simulator.release()
      #expect(await slow.outcome().output == "100000\n")
    }
  }
}
