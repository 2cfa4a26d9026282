import APISimulator
import Foundation
import Glibc
import TestSupport
import Testing

/// Disks that are full, read-only, or emptied under a running mount; a configuration that changes.
@Suite("Disks that fill up and vanish", .serialized, .timeLimit(.minutes(5)))
struct LossTests {
  private let id = "loss-1"
  private let files = [
    SimulatedFile(path: "a.bin", content: .generated(GeneratedContent(seed: 1, size: 100_000)), method: .stored),
    SimulatedFile(path: "b.bin", content: .generated(GeneratedContent(seed: 2, size: 900_000)), method: .stored),
    SimulatedFile(path: "c.bin", content: .generated(GeneratedContent(seed: 3, size: 2_000_000)), method: .stored),
  ]
  private var task: SimulatedTask { SimulatedTask(id: id, files: files, style: .seekable) }
  private var settings: MountedSystem.Settings { .init(budget: ["daily: 5", "assume_unknown: 4 MB"], tasks: [id]) }

  /// Runs a test with a small memory file system in the place of `state` or `cache`; says so and does nothing where it may
  /// not be mounted.
  private func withDisk(
    _ name: String, kilobytes: Int, assuming size: String = "4 MB", _ body: (MountedSystem, String) async throws -> Void
  ) async throws {
    var settings = settings
    settings.budget = ["daily: 5", "assume_unknown: \(size)"]
    try await MountedSystem.with([], settings, mounted: false) { system in
      let disk = system.directory.file(name)
      try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
      let options = "size=\(kilobytes)k,mode=0700"
      let mounted = try await ChildProcess.run("mount", ["-t", "tmpfs", "-o", options, "tmpfs", disk], timeout: 20)
      guard mounted.status == 0 else {
        print("skipped: no tmpfs: \(mounted.errors)")
        return
      }
      do {
        try system.expect(task)
        try await system.mount()
        try await body(system, disk)
        try await system.unmount()
      } catch {
        _ = try? await ChildProcess.run("umount", ["-l", disk], timeout: 20)
        throw error
      }
      _ = try? await ChildProcess.run("umount", ["-l", disk], timeout: 20)
    }
  }

  private func fill(_ disk: String) async throws {
    // Again and again: what the daemon frees meanwhile (a database tidies up) is taken as well.
    _ = try await ChildProcess.shell(
      """
      dd if=/dev/zero of='\(disk)/filler' bs=64k
      for i in $(seq 50); do
        dd if=/dev/zero bs=512 >> '\(disk)/filler2'
        [ "$(df --output=avail '\(disk)' | tail -1 | tr -d ' ')" = 0 ] && break
        sleep 0.1
      done; true
      """)
    let left = try await ChildProcess.shell("df --output=avail '\(disk)' | tail -1")
    #expect(left.output.trimmingCharacters(in: .whitespacesAndNewlines) == "0")
  }

  private func empty(_ disk: String) async throws {
    #expect(try await ChildProcess.shell("rm '\(disk)/filler' '\(disk)/filler2'").status == 0)
  }

  @Test("With a full state disk nothing is bought, and the reason is told; with space again it is")
  func fullState() async throws {
    try await withDisk("state", kilobytes: 2_000) { system, disk in
      try await fill(disk)
      let listing = try await system.shell("ls $M/screenplay/\(id)/results")
      #expect(listing.errors.contains("Input/output error"), "\(listing.errors)")
      #expect(system.simulator.counters().task(id).download == 0)
      let errors = try await system.shell("cat $M/.tollfs/errors").output
      #expect(errors.contains("EIO") && errors.contains("full"), "\(errors)")
      let fetch = try await system.tollfs("fetch", "screenplay/\(id)")
      #expect(fetch.status == 1 && !fetch.errors.isEmpty, "\(fetch.errors)")
      #expect(system.simulator.counters().task(id).download == 0)
      try await empty(disk)
      #expect(try await system.differences(id, isComplete: true) == "")
      #expect(try await system.counted() == system.simulator.counters().total.billedMicroDollars)
      #expect(system.simulator.counters().task(id).download == 1)
    }
  }

  @Test("A state disk that fills up during a download loses neither the content nor the charge")
  func stateFillsUp() async throws {
    try await withDisk("state", kilobytes: 2_000, assuming: "1 MB") { system, disk in
      system.simulator.setFaults(.with { $0.bytesPerSecond = 2_000_000 }, kind: .download)
      let reader = try await system.start("cat $M/screenplay/\(id)/results/c.bin > /dev/null")
      try await system.eventually("the download runs") { system.simulator.counters().task(id).bytesSent > 100_000 }
      try await fill(disk)
      #expect(await reader.outcome().status == 0)
      #expect(try await system.differences(id, isComplete: true) == "")
      #expect(system.simulator.counters().task(id).download == 1)
      try await empty(disk)
      // It was three times as large as what was reserved for.
      let billed = system.simulator.counters().total.billedMicroDollars
      try await system.eventually("the ledger knows the charge") { try await system.counted() == billed }
      try await system.unmount()
      try await system.mount()
      #expect(try await system.counted() == billed)
      #expect(try await system.differences(id, isComplete: true) == "")
      #expect(system.simulator.counters().task(id).download == 1)
    }
  }

  @Test("A full cache disk is ENOSPC before anything is bought; with space again it is bought")
  func fullCache() async throws {
    try await withDisk("cache", kilobytes: 6_000) { system, disk in
      try await fill(disk)
      let listing = try await system.shell("ls $M/screenplay/\(id)/results")
      #expect(listing.errors.contains("No space left on device"), "\(listing.errors)")
      #expect(system.simulator.counters().task(id).download == 0)
      #expect(try await system.shell("cat $M/.tollfs/errors").output.contains("ENOSPC"))
      try await empty(disk)
      #expect(try await system.differences(id, isComplete: true) == "")
      #expect(system.simulator.counters().task(id).download == 1)
    }
  }

  @Test("A cache disk that fills up during a download keeps what arrived whole, and fetch completes it")
  func cacheFillsUp() async throws {
    try await withDisk("cache", kilobytes: 7_500) { system, disk in
      system.simulator.setFaults(.with { $0.bytesPerSecond = 1_500_000 }, kind: .download)
      let reader = try await system.start("cat $M/screenplay/\(id)/results/c.bin > /dev/null")
      try await system.eventually("b.bin has arrived") { system.simulator.counters().task(id).bytesSent > 1_300_000 }
      try await fill(disk)
      let outcome = await reader.outcome()
      #expect(outcome.status != 0 && !outcome.timedOut)
      #expect(outcome.errors.contains("No space left on device"), "\(outcome.errors)")
      #expect(try await system.differences(id) == "")
      #expect(try await system.shell("cat $M/screenplay/\(id)/results/b.bin | wc -c").output == "900000\n")
      #expect(system.simulator.counters().task(id).download == 1)
      // The same after a crash, still without space; and nothing is bought by itself once there is some.
      try await system.remount()
      #expect(try await system.differences(id) == "")
      try await empty(disk)
      #expect(try await system.differences(id) == "")
      #expect(system.simulator.counters().task(id).download == 1)
      system.simulator.clearFaults()
      let fetched = try await system.tollfs("fetch", "screenplay/\(id)")
      #expect(fetched.status == 0, "\(fetched.errors)")
      #expect(try await system.differences(id, isComplete: true) == "")
      #expect(try await system.counted() >= system.simulator.counters().total.billedMicroDollars)
    }
  }

  @Test("A state directory that turned read-only: nothing is bought; a mount on it says why it can't")
  func readOnlyState() async throws {
    try await withDisk("state", kilobytes: 2_000) { system, disk in
      #expect(try await system.shell("head -1 $M/screenplay/\(id)/status").output == "completed\n")
      try await system.killDaemons()
      _ = try await system.tollfs("unmount")
      let remounted = try await ChildProcess.run("mount", ["-o", "remount,ro", disk], timeout: 20)
      try #require(remounted.status == 0, "\(remounted.errors)")
      let fetch = try await system.tollfs("fetch", "screenplay/\(id)")
      #expect(fetch.status == 1 && fetch.errors.contains("ead-only"), "\(fetch.errors)")
      let mount = try await system.tollfs("mount")
      #expect(mount.status == 1 && mount.errors.contains("ead-only"), "\(mount.errors)")
      #expect(system.simulator.counters().task(id).download == 0)
      #expect(try await ChildProcess.run("mount", ["-o", "remount,rw", disk], timeout: 20).status == 0)
      try await system.mount()
      #expect(try await system.differences(id, isComplete: true) == "")
    }
  }

  @Test("The cache deleted under a running mount: no wrong byte, no crash, no purchase without being asked")
  func cacheDeleted() async throws {
    try await MountedSystem.with([], settings) { system in
      try system.expect(task)
      #expect(try await system.differences(id, isComplete: true) == "")
      let daemons = try await system.daemons()
      #expect(try await system.shell("rm -rf '\(system.directory.file("cache"))'").status == 0)
      #expect(try await system.differences(id) == "")
      let sent = system.simulator.counters().task(id).download
      #expect(sent == 1)
      #expect(try await system.shell("cat $M/.tollfs/errors").output.contains("EBADMSG"))
      // A task that was never here is bought whole or not at all.
      try system.expect(SimulatedTask(id: "loss-2", files: files, style: .seekable))
      let others = try await system.differences("loss-2", isComplete: true)
      let listing = try await system.shell("ls $M/screenplay/loss-2/results")
      #expect(others == "" || listing.errors.contains("Input/output error"), "\(listing.errors)")
      #expect(others == "" || system.simulator.counters().task("loss-2").download == 0, "\(others)")
      #expect(try await system.daemons() == daemons)
      try await system.unmount()
      try await system.mount()
      #expect(try await system.differences(id, isComplete: true) == "")
      // The budget remembers.
      #expect(try await system.counted() >= system.simulator.counters().total.billedMicroDollars)
    }
  }

  @Test("The cache deleted between two mounts: a new purchase of a known size, and the budget remembers the first")
  func cacheDeletedWhileUnmounted() async throws {
    try await MountedSystem.with([], settings) { system in
      try system.expect(task)
      #expect(try await system.differences(id, isComplete: true) == "")
      try await system.unmount()
      #expect(try await system.shell("rm -rf '\(system.directory.file("cache"))'").status == 0)
      try await system.mount()
      #expect(try await system.shell("cat $M/screenplay/\(id)/cost").output.contains("bytes_basis: exact"))
      #expect(try await system.differences(id, isComplete: true) == "")
      #expect(system.simulator.counters().task(id).download == 2)
      #expect(try await system.counted() == system.simulator.counters().total.billedMicroDollars)
    }
  }

  @Test("SIGHUP puts the edited budget in force, and a broken configuration changes nothing")
  func reloads() async throws {
    try await MountedSystem.with([], settings) { system in
      try system.expect(task)
      let daemon = try #require(try await system.daemons().first)
      var edited = settings
      edited.budget = ["daily: 0"]
      try system.write(edited)
      kill(daemon, SIGHUP)
      try await system.eventually("the cap is 0") {
        try await system.shell("grep daily $M/.tollfs/budget").output.contains(" 0.000000")
      }
      let refused = try await system.shell("ls $M/screenplay/\(id)/results")
      #expect(refused.errors.contains("Disk quota exceeded"), "\(refused.errors)")
      // A mistyped budget must not switch the guard off.
      edited.budget = ["dayly: 5"]
      try system.write(edited)
      kill(daemon, SIGHUP)
      try await system.eventually("the log tells of the broken configuration") {
        try String(contentsOfFile: system.log, encoding: .utf8).contains("can't be read; the budget stays")
      }
      #expect(try await system.shell("ls $M/screenplay/\(id)/results").errors.contains("Disk quota exceeded"))
      #expect(system.simulator.counters().task(id).download == 0)
      try system.write(settings)
      kill(daemon, SIGHUP)
      try await system.eventually("the cap is 5") {
        try await system.shell("grep daily $M/.tollfs/budget").output.contains("5.000000")
      }
      #expect(try await system.differences(id, isComplete: true) == "")
      #expect(try await system.daemons() == [daemon])
    }
  }
}
