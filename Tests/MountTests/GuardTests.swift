import APISimulator
import Foundation
import TestSupport
import Testing

/// The guard, as people and their desktops run into it.
@Suite("The cost guard on a mount", .serialized, .timeLimit(.minutes(3)))
struct GuardTests {
  private let id = SampleFiles.id

  @Test("With fetch: explicit only `tollfs fetch` downloads")
  func explicit() async throws {
    let settings = MountedSystem.Settings(tasks: [id], source: ["fetch: explicit"])
    try await MountedSystem.with([SampleFiles.task()], settings) { system in
      let refused = try await system.shell("ls $M/screenplay/\(id)/results")
      #expect(refused.errors.contains("Permission denied"), "\(refused.errors)")
      let cost = try await system.shell("cat $M/screenplay/\(id)/cost").output
      #expect(cost.contains("tollfs fetch screenplay/\(id)"))
      #expect(system.simulator.counters().total.download == 0)
      #expect(try await system.tollfs("fetch", "screenplay/\(id)").status == 0)
      #expect(try await system.shell("cat $M/screenplay/\(id)/results/namelist.json").output == "[]\n")
      #expect(system.simulator.counters().total.download == 1)
    }
  }

  @Test("An indexer, known by its process name, never causes a download, and reads what is in the cache")
  func crawler() async throws {
    try await MountedSystem.with([SampleFiles.task()], .init(tasks: [id])) { system in
      // The kernel takes a process's name from the file that it runs.
      _ = try await system.shell("cp \"$(command -v cat)\" $M/../updatedb && cp \"$(command -v ls)\" $M/../tumblerd")
      for attempt in [
        "$M/../updatedb $M/screenplay/\(id)/results/namelist.json", "$M/../tumblerd $M/screenplay/\(id)/results",
      ] {
        let refused = try await system.shell(attempt)
        #expect(refused.errors.contains("Permission denied"), "\(attempt): \(refused.errors)")
      }
      _ = try await system.shell("$M/../updatedb $M/screenplay/not-listed/status")
      #expect(system.simulator.counters().total.download == 0)
      #expect(system.simulator.counters().task("not-listed").requests == 0)
      #expect(try await system.shell("ls $M/screenplay/\(id)/results").status == 0)
      #expect(try await system.shell("$M/../updatedb $M/screenplay/\(id)/results/namelist.json").output == "[]\n")
    }
  }

  @Test("What walks over the tree above results/ costs nothing")
  func walking() async throws {
    try await MountedSystem.with([SampleFiles.task()], .init(tasks: [id])) { system in
      let walk = try await system.shell(
        """
        find $M -path '*/results' -prune -o -print; ls -lA $M $M/.tollfs $M/screenplay $M/screenplay/*/; stat $M/screenplay/*/results
        du -s $M/.tollfs; getfattr -d $M/screenplay/*/results; grep -c . $M/screenplay/*/status $M/screenplay/*/cost
        """)
      #expect(walk.status == 0, "\(walk.errors)")
      #expect(system.simulator.counters().total.download == 0)
    }
  }

  @Test("approve lets one task through once, past the cap that refused it")
  func approve() async throws {
    let other = SampleFiles.task(id: "other-1")
    let settings = MountedSystem.Settings(budget: ["per_open: 0.01"], tasks: [id, "other-1"])
    try await MountedSystem.with([SampleFiles.task(), other], settings) { system in
      #expect(try await system.shell("ls $M/screenplay/\(id)/results").errors.contains("Disk quota exceeded"))
      #expect(try await system.tollfs("approve", "screenplay/\(id)", "--max", "0.20").status == 0)
      #expect(try await system.shell("ls $M/screenplay/\(id)/results").status == 0)
      #expect(try await system.shell("ls $M/screenplay/other-1/results").errors.contains("Disk quota exceeded"))
      #expect(system.simulator.counters().total.billedDownloads == 1)
      let budget = try await system.tollfs("budget", "--json")
      #expect(budget.status == 0 && budget.output.contains("per_open"), "\(budget.errors)")
    }
  }

  @Test("The last dollar is not taken twice: of many tasks opened at once, as many as the budget allows are downloaded")
  func exactlyAsMany() async throws {
    let tasks = (1...8).map { SampleFiles.task(id: "many-\($0)") }
    // Each open reserves 0.12 for an assumed gigabyte: three at a time.
    let settings = MountedSystem.Settings(budget: ["total: 0.36"], tasks: tasks.map(\.id))
    try await MountedSystem.with(tasks, settings) { system in
      system.simulator.setFaults(.with { $0.delay = 1.5 }, kind: .download)
      let outcome = try await system.shell(
        "for t in \(tasks.map(\.id).joined(separator: " ")); do ( ls $M/screenplay/$t/results >/dev/null 2>$M/../$t.err && echo ok ) & done; wait"
      )
      #expect(outcome.lines.count == 3, "\(outcome.output)")
      #expect(system.simulator.counters().total.download == 3)
      let refusals = try await system.shell("grep -l 'Disk quota exceeded' $M/../*.err | wc -l")
      #expect(refusals.output == "5\n")
      let bill = system.simulator.counters().total.billedMicroDollars
      let ledger = try await system.shell("tail -n +2 $M/.tollfs/ledger.csv | grep settled | cut -d, -f5")
      let charged = ledger.lines.compactMap { Double($0) }.reduce(0, +)
      #expect(Int64((charged * 1_000_000).rounded()) == bill)
    }
  }
}
