import APISimulator
import Foundation
import Glibc
import TestSupport
import Testing

/// When things go wrong in the middle: nothing is lost, nothing is bought twice, and everybody is told why.
@Suite("Downloads that go wrong", .serialized, .timeLimit(.minutes(5)))
struct BrokenDownloadTests {
  private let id = SampleFiles.id
  private let files = [
    SimulatedFile(path: "a.json", text: "a\n", method: .stored),
    SimulatedFile(path: "b.bin", content: .generated(GeneratedContent(seed: 5, size: 200_000)), method: .stored),
    SimulatedFile(path: "c.bin", content: .generated(GeneratedContent(seed: 6, size: 400_000)), method: .stored),
  ]
  private var task: SimulatedTask { SimulatedTask(id: id, files: files, style: .seekable) }

  @Test("A stream that breaks keeps what arrived whole, and is not bought again by itself")
  func breaks() async throws {
    try await MountedSystem.with([task], .init(tasks: [id])) { system in
      system.simulator.setFaults(.with { $0.resetAfter = 300_000 }, kind: .download)
      let listing = try await system.shell("ls $M/screenplay/\(id)/results")
      #expect(listing.status != 0)
      #expect(listing.errors.contains("No route to host"), "\(listing.errors)")
      #expect(listing.lines == ["a.json", "b.bin"])
      #expect(try await system.shell("cat $M/screenplay/\(id)/results/a.json").output == "a\n")
      #expect(try await system.shell("wc -c < $M/screenplay/\(id)/results/b.bin").output == "200000\n")
      let missing = try await system.shell("cat $M/screenplay/\(id)/results/c.bin")
      #expect(missing.errors.contains("No route to host"), "\(missing.errors)")
      #expect(system.simulator.counters().task(id).download == 1)
      #expect(try await system.shell("cat $M/.tollfs/ledger.csv").output.contains("unsettled"))
      #expect(try await system.shell("cat $M/.tollfs/errors").output.contains("tollfs fetch screenplay/\(id)"))

      // The same after a remount.
      try await system.unmount()
      try await system.mount()
      #expect(try await system.shell("cat $M/screenplay/\(id)/results/a.json").output == "a\n")
      #expect(try await system.shell("cat $M/screenplay/\(id)/results/c.bin").status != 0)
      #expect(system.simulator.counters().task(id).download == 1)

      // Until it is asked for.
      system.simulator.clearFaults()
      let fetched = try await system.tollfs("fetch", "screenplay/\(id)")
      #expect(fetched.status == 0, "\(fetched.errors)")
      #expect(try await system.shell("wc -c < $M/screenplay/\(id)/results/c.bin").output == "400000\n")
      #expect(try await system.shell("ls $M/screenplay/\(id)/results").lines == ["a.json", "b.bin", "c.bin"])
      #expect(system.simulator.counters().task(id).download == 2)
    }
  }

  @Test("A truncated archive is never shown as complete")
  func truncated() async throws {
    try await MountedSystem.with([task], .init(tasks: [id])) { system in
      // All members are whole; only the zip's own end is missing.
      system.simulator.setFaults(.with { $0.endAfter = 600_200 }, kind: .download)
      let listing = try await system.shell("ls $M/screenplay/\(id)/results")
      #expect(listing.status != 0)
      #expect(listing.errors.contains("Bad message"), "\(listing.errors)")
      #expect(listing.lines == ["a.json", "b.bin", "c.bin"])
    }
  }

  @Test("A flipped bit is found: the damaged file fails, the others are right")
  func flipped() async throws {
    try await MountedSystem.with([task], .init(tasks: [id])) { system in
      system.simulator.setFaults(.with { $0.flipBitAt = 100_000 }, kind: .download)
      let damaged = try await system.shell("cat $M/screenplay/\(id)/results/b.bin > /dev/null")
      #expect(damaged.status != 0)
      let again = try await system.shell("cat $M/screenplay/\(id)/results/b.bin > /dev/null")
      #expect(again.errors.contains("Bad message"), "\(again.errors)")
      #expect(try await system.shell("wc -c < $M/screenplay/\(id)/results/c.bin").output == "400000\n")
      #expect(system.simulator.counters().task(id).download == 1)

      system.simulator.clearFaults()
      #expect(try await system.tollfs("fetch", "screenplay/\(id)").status == 0)
      #expect(try await system.shell("wc -c < $M/screenplay/\(id)/results/b.bin").output == "200000\n")
      #expect(system.simulator.counters().task(id).download == 2)
    }
  }

  /// Patient with a busy machine: the API may take longer to answer than a reader may take to be freed.
  private var patient: MountedSystem.Settings {
    .init(tasks: [id], more: ["network:", "  connect_timeout: 10 s", "  read_timeout: 60 s", "  retries: 0"])
  }

  @Test("A reader that waits in open is freed by Ctrl-C at once, and the download goes on")
  func interrupted() async throws {
    try await MountedSystem.with([task], patient) { system in
      system.simulator.setFaults(.with { $0.delay = 8 }, kind: .download)
      let reader = try await ChildProcess.start("cat", [system.path("screenplay/\(id)/results/a.json")], timeout: 30)
      try await Task.sleep(for: .milliseconds(700))
      #expect(reader.isRunning)
      reader.send(SIGINT)
      let outcome = await reader.outcome()
      #expect(outcome.status == 128 + SIGINT)
      #expect(outcome.duration < .seconds(7), "freed only after \(outcome.duration)")
      // Whoever comes later gets what the first one began.
      #expect(try await system.shell("cat $M/screenplay/\(id)/results/a.json").output == "a\n")
      #expect(system.simulator.counters().task(id).download == 1)
    }
  }

  @Test("A reader that waits for bytes is freed as well, by Ctrl-C and by kill -9")
  func interruptedRead() async throws {
    try await MountedSystem.with([task], patient) { system in
      system.simulator.setFaults(
        .with {
          $0.stallAfter = 250_000; $0.stallSeconds = 16
        }, kind: .download)
      for signal in [SIGINT, SIGKILL] {
        let reader = try await ChildProcess.start("cat", [system.path("screenplay/\(id)/results/c.bin")], timeout: 30)
        try await Task.sleep(for: .milliseconds(600))
        reader.send(signal)
        let outcome = await reader.outcome()
        #expect(outcome.status == 128 + signal)
        #expect(outcome.duration < .seconds(7))
      }
      #expect(try await system.shell("wc -c < $M/screenplay/\(id)/results/c.bin").output == "400000\n")
      #expect(system.simulator.counters().task(id).download == 1)
    }
  }

  @Test("An API that can't be reached is never reported as something that does not exist")
  func unreachable() async throws {
    let running = SimulatedTask(id: "running-1", state: .running(completedEpisodes: 1, totalEpisodes: 2))
    try await MountedSystem.with([task, running], .init(tasks: [id, "running-1"])) { system in
      #expect(try await system.shell("head -1 $M/screenplay/\(id)/status").output == "completed\n")
      #expect(try await system.shell("head -1 $M/screenplay/running-1/status").output == "running\n")
      await system.simulator.stop()
      let final = try await system.shell("cat $M/screenplay/\(id)/status").output
      #expect(final.hasPrefix("completed\n"))
      #expect(final.contains("stale: true\n"))
      for attempt in [
        "cat $M/screenplay/running-1/status", "ls $M/screenplay/running-1", "ls $M/screenplay/never-seen",
      ] {
        let outcome = try await system.shell(attempt)
        #expect(outcome.errors.contains("No route to host"), "\(attempt): \(outcome.errors)")
      }
      let results = try await system.shell("ls $M/screenplay/\(id)/results")
      #expect(results.errors.contains("No route to host"), "\(results.errors)")
      // What never left is not charged.
      #expect(try await system.shell("cat $M/.tollfs/ledger.csv").output.contains("released"))
      #expect(try await system.shell("df $M && ls $M/screenplay").status == 0)
    }
  }

  @Test("A hang becomes ETIMEDOUT")
  func hangs() async throws {
    let settings = MountedSystem.Settings(
      tasks: [id], more: ["network:", "  connect_timeout: 1 s", "  read_timeout: 1 s", "  retries: 0"])
    try await MountedSystem.with([task], settings) { system in
      system.simulator.setFaults(.with { $0.hang = true }, kind: .status)
      let status = try await system.shell("cat $M/screenplay/\(id)/status", timeout: 20)
      #expect(status.errors.contains("Connection timed out"), "\(status.errors)")
      system.simulator.clearFaults()
      system.simulator.setFaults(.with { $0.hang = true }, kind: .download)
      let results = try await system.shell("ls $M/screenplay/\(id)/results", timeout: 20)
      #expect(results.errors.contains("Connection timed out"), "\(results.errors)")
      // It left and got no answer: counted, and not sent again.
      #expect(try await system.shell("cat $M/.tollfs/ledger.csv").output.contains("unsettled"))
      _ = try await system.shell("ls $M/screenplay/\(id)/results", timeout: 20)
      #expect(system.simulator.counters().task(id).download == 1)
    }
  }

  @Test("The provider's own refusals have their errno, and cost nothing")
  func providerErrors() async throws {
    let none = SimulatedTask(id: "none-1", state: .completed, result: .none)
    try await MountedSystem.with([task, none], .init(tasks: [id, "none-1"])) { system in
      system.simulator.setFaults(.insufficientBalance, task: id, kind: .download)
      let balance = try await system.shell("ls $M/screenplay/\(id)/results")
      #expect(balance.errors.contains("Disk quota exceeded"), "\(balance.errors)")
      let empty = try await system.shell("ls $M/screenplay/none-1/results")
      #expect(empty.errors.contains("No data available"), "\(empty.errors)")
      system.simulator.clearFaults()
      #expect(try await system.shell("ls $M/screenplay/\(id)/results").lines == ["a.json", "b.bin", "c.bin"])
      #expect(system.simulator.counters().total.billedDownloads == 1)
    }
  }

  @Test("Killed in mid-download, the next mount keeps what arrived and shows what is unsettled")
  func killed() async throws {
    try await MountedSystem.with([task], .init(tasks: [id])) { system in
      system.simulator.setFaults(
        .with {
          $0.stallAfter = 300_000; $0.stallSeconds = 20
        }, kind: .download)
      #expect(try await system.shell("cat $M/screenplay/\(id)/results/b.bin | wc -c").output == "200000\n")
      for process in try await system.daemons() { kill(process, SIGKILL) }
      _ = try await system.shell("umount -l $M")
      system.simulator.clearFaults()
      try await system.mount()
      #expect(try await system.shell("cat $M/.tollfs/ledger.csv").output.contains("unsettled"))
      #expect(try await system.shell("cat $M/screenplay/\(id)/results/b.bin | wc -c").output == "200000\n")
      #expect(try await system.shell("cat $M/screenplay/\(id)/results/c.bin").status != 0)
      #expect(system.simulator.counters().task(id).download == 1)
    }
  }

  @Test("Two mounts and the command line on one cache buy once")
  func shared() async throws {
    try await MountedSystem.with([task], .init(tasks: [id])) { system in
      system.simulator.setFaults(.with { $0.bytesPerSecond = 400_000 }, kind: .download)
      let second = system.directory.file("second")
      try FileManager.default.createDirectory(atPath: second, withIntermediateDirectories: true)
      #expect(try await system.tollfs("mount", second).status == 0)
      let fetch = try await system.startTollfs("fetch", "screenplay/\(id)")
      let outcome = try await system.shell(
        "( sha256sum < $M/screenplay/\(id)/results/c.bin ) & ( sha256sum < \(second)/screenplay/\(id)/results/c.bin ) & wait"
      )
      #expect(Set(outcome.lines).count == 1, "\(outcome.output)\(outcome.errors)")
      #expect(await fetch.outcome().status == 0)
      #expect(system.simulator.counters().task(id).download == 1)
      #expect(try await system.tollfs("unmount", second).status == 0)
    }
  }

  @Test("Ctrl-C on a fetch keeps what arrived, buys nothing more, and what is missing says that it was cut short")
  func fetchBrokenOff() async throws {
    let other = SimulatedTask(id: "other-1", files: files, style: .seekable)
    try await MountedSystem.with([task, other], .init(tasks: [id, "other-1"])) { system in
      system.simulator.setFaults(
        .with {
          $0.stallAfter = 300_000; $0.stallSeconds = 30
        }, kind: .download)
      let fetch = try await system.startTollfs("fetch", "screenplay/\(id)", "screenplay/other-1")
      #expect(
        try await system.shell(
          "for i in $(seq 100); do [ -n \"$(ls -A $M/../cache/objects 2>/dev/null)\" ] && break; sleep 0.1; done; sleep 1"
        ).status == 0)
      fetch.send(SIGINT)
      #expect(await fetch.outcome().status == 1)
      #expect(system.simulator.counters().task("other-1").download == 0)
      let listing = try await system.shell("ls $M/screenplay/\(id)/results")
      #expect(listing.lines == ["a.json", "b.bin"])
      #expect(listing.errors.contains("Bad message"), "\(listing.errors)")
      let missing = try await system.shell("cat $M/screenplay/\(id)/results/c.bin")
      #expect(missing.errors.contains("Bad message"), "\(missing.errors)")
      #expect(try await system.shell("cat $M/.tollfs/errors").output.contains("broken off"))
      #expect(system.simulator.counters().task(id).download == 1)
    }
  }

  @Test("A reader whose bytes do not come finds the reason where users look")
  func readReason() async throws {
    try await MountedSystem.with([task], .init(tasks: [id])) { system in
      system.simulator.setFaults(
        .with {
          $0.bytesPerSecond = 200_000; $0.resetAfter = 400_000
        }, kind: .download)
      let reader = try await system.shell("cat $M/screenplay/\(id)/results/c.bin > /dev/null")
      #expect(reader.errors.contains("No route to host"), "\(reader.errors)")
      #expect(try await system.shell("cat $M/.tollfs/errors").output.contains("screenplay/\(id)/results/c.bin"))
    }
  }

  @Test("A listing of many files that broke is read as fast as a complete one")
  func manyFilesBroken() async throws {
    let many = (0..<3_000).map { SimulatedFile(path: "f\($0).json", text: "\($0)\n", method: .stored) }
    let task = SimulatedTask(id: id, files: many, style: .seekable)
    try await MountedSystem.with([task], .init(tasks: [id])) { system in
      system.simulator.setFaults(.with { $0.resetAfter = 100_000 }, kind: .download)
      // One walk reads the index once or a few times; once a file would take minutes.
      let listing = try await system.shell("ls -l $M/screenplay/\(id)/results", timeout: 60)
      #expect(listing.errors.contains("No route to host"), "\(listing.errors)")
      #expect(listing.lines.count > 1_000)
    }
  }

  @Test("What a command fetched beside a running mount is there for the mount, also after other commands came and went")
  func fetchedBeside() async throws {
    try await MountedSystem.with([task], .init(tasks: [id])) { system in
      // Each command opens and closes the databases that the mount has open.
      for _ in 0..<3 { #expect(try await system.tollfs("ls").status == 0) }
      #expect(try await system.tollfs("fetch", "screenplay/\(id)").status == 0)
      #expect(try await system.shell("cat $M/screenplay/\(id)/cost").output.contains("verdict: cached\n"))
      #expect(try await system.shell("ls $M/screenplay/\(id)/results").lines == ["a.json", "b.bin", "c.bin"])
      #expect(try await system.shell("cat $M/screenplay/\(id)/results/a.json").output == "a\n")
      #expect(system.simulator.counters().task(id).download == 1)
      for process in try await system.daemons() {
        let open = try await ChildProcess.shell("ls -l /proc/\(process)/fd")
        #expect(!open.output.contains("(deleted)"), "a database was removed under the mount: \(open.output)")
      }
    }
  }
}
