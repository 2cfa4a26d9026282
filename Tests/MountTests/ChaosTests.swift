import APISimulator
import Foundation
import Glibc
import TestSupport
import Testing

/// The product in a hostile world, with the simulator's own bill as the oracle.
@Suite("Chaos", .serialized, .timeLimit(.minutes(60)))
struct ChaosTests {
  private static let budget = ["daily: 1000"]

  // MARK: - kill -9

  /// Whatever was killed, and whenever: the mount comes up, nothing is bought again by itself, no byte is wrong, the ledger
  /// counts at least what was billed, and `fetch` completes everything.
  private func aftermath(_ id: String, of system: MountedSystem, _ what: String) async throws {
    try await system.remount()
    let sent = system.simulator.counters().task(id).download
    try await system.expectNoDifferences(id, "\(what)")
    let sentNow = system.simulator.counters().task(id).download
    // Killed before the request was sent, the access above is the first to buy.
    #expect(sentNow == sent || (sent == 0 && sentNow == 1), "\(what): sent \(sent) times before and \(sentNow) after")
    #expect(try await system.counted() >= system.simulator.counters().total.billedMicroDollars, "\(what)")
    system.simulator.clearFaults()
    let fetched = try await system.tollfs("fetch", "screenplay/\(id)")
    #expect(fetched.status == 0, "\(what): \(fetched.errors)")
    try await system.expectNoDifferences(id, isComplete: true, "\(what)")
    #expect(try await system.counted() >= system.simulator.counters().total.billedMicroDollars, "\(what)")
    #expect(system.simulator.counters().task(id).download <= 2, "\(what)")
  }

  private func reader(_ id: String, of system: MountedSystem) async throws -> ChildProcess {
    try await ChildProcess.start(
      "/bin/sh",
      [
        "-c",
        "ls '\(system.path("screenplay/\(id)/results"))'; find '\(system.path("screenplay/\(id)/results"))' -type f -exec cat {} + > /dev/null",
      ],
      timeout: 40)
  }

  @Test("Killed at any moment of a download")
  func killedAnywhen() async throws {
    var chance = Chaos.generator("killedAnywhen")
    try await MountedSystem.with([], .init(budget: Self.budget)) { system in
      for round in 0..<Chaos.rounds(4) {
        let id = "killed-\(round)"
        try system.expect(Chaos.task(id, using: &chance))
        system.simulator.setFaults(.with { $0.bytesPerSecond = 2_000_000 }, kind: .download)
        let reader = try await reader(id, of: system)
        let delay = Int.random(in: 0...700, using: &chance)
        try await Task.sleep(for: .milliseconds(delay))
        try await system.killDaemons()
        #expect(await reader.outcome().timedOut == false)
        try await aftermath(id, of: system, "\(id), killed after \(delay) ms")
      }
    }
  }

  private static let calls = [
    "fdatasync", "pwrite64", "rename", "sendto", "ftruncate", "fsync", "write", "writev", "unlink", "openat", "mkdir",
    "rmdir", "flock", "fcntl",
  ]

  private enum Victim: CaseIterable {
    case mount, fetch, start
  }

  private static func strace(_ call: String, _ number: Int) -> [String] {
    ["-f", "-o", "/dev/null", "-e", "trace=\(call)", "-e", "inject=\(call):signal=SIGKILL:when=\(number)"]
  }

  private static func canTrace() async -> Bool {
    let outcome = try? await ChildProcess.run("strace", ["-o", "/dev/null", "true"], timeout: 20)
    return outcome?.status == 0
  }

  @Test("Killed at a system call of a download, of a fetch, of the start")
  func killedAtCalls() async throws {
    guard await Self.canTrace() else {
      print("chaos: skipped: strace is missing or may not trace")
      return
    }
    var chance = Chaos.generator("killedAtCalls")
    try await MountedSystem.with([], .init(budget: Self.budget)) { system in
      for round in 0..<Chaos.rounds(7) {
        let id = "called-\(round)"
        try system.expect(Chaos.task(id, using: &chance))
        let call = Self.calls.randomElement(using: &chance) ?? "fdatasync"
        let number = Int.random(in: 1...(Bool.random(using: &chance) ? 3 : 25), using: &chance)
        let victim = Victim.allCases.randomElement(using: &chance) ?? .mount
        let what = "\(id): \(victim) killed at \(call) \(number)"
        try await strike(victim, id, Self.strace(call, number), system)
        try await aftermath(id, of: system, what)
      }
    }
  }

  private func strike(_ victim: Victim, _ id: String, _ strace: [String], _ system: MountedSystem) async throws {
    switch victim {
    case .mount:
      let daemon = try #require(try await system.daemons().first)
      let tracer = try await ChildProcess.start("strace", strace + ["-p", "\(daemon)"], timeout: 60)
      try await system.eventually("strace is attached") { tracer.errorsSoFar.contains("attached") }
      #expect(await (try reader(id, of: system)).outcome().timedOut == false)
      try await system.killDaemons()
      _ = await tracer.outcome()
    case .fetch:
      _ = try await system.run("strace", strace + [MountedSystem.program, "fetch", "screenplay/\(id)"])
    case .start:
      system.simulator.setFaults(.with { $0.bytesPerSecond = 2_000_000 }, kind: .download)
      let reader = try await reader(id, of: system)
      try await Task.sleep(for: .milliseconds(300))
      try await system.killDaemons()
      _ = await reader.outcome()
      _ = try await system.tollfs("unmount")
      // A mount that comes up is traced as long as it lives.
      let tracer = try await system.start("exec \"$0\" \"$@\"", ["strace"] + strace + [MountedSystem.program, "mount"])
      try await system.eventually("the mount is up or dead") {
        if !tracer.isRunning { return true }
        return try await system.shell("ls $M/.tollfs/budget").status == 0
      }
      try await system.killDaemons()
      _ = await tracer.outcome()
    }
  }

  // MARK: - a bad network and impatient readers

  private static func fault(using chance: inout SeededGenerator) -> Faults {
    let offset = Int64.random(in: 0...(Bool.random(using: &chance) ? 2_000 : 1_500_000), using: &chance)
    let kind = Int.random(in: 0..<13, using: &chance)
    let pace = Bool.random(using: &chance) ? Int.random(in: 500_000...4_000_000, using: &chance) : nil
    var fault: Faults =
      switch kind {
      case 0: .with { $0.resetAfter = offset }
      case 1: .with { $0.closeAfter = offset }
      case 2: .with { $0.endAfter = offset }
      case 3: .with { $0.stallAfter = offset }
      case 4:
        .with {
          $0.stallAfter = offset; $0.stallSeconds = 0.5
        }
      case 5: .with { $0.flipBitAt = offset }
      case 6: .tooManyRequests(retryAfter: 0)
      case 7: .serverError([500, 502, 503, 504].randomElement(using: &chance) ?? 500)
      case 8: .with { $0.hang = true }
      case 9: .with { $0.contentType = "application/json" }
      case 10: .htmlPage
      case 11: .with { $0.drop = true }
      default:
        .with {
          $0.contentLength = true; $0.closeAfter = offset
        }
      }
    fault.bytesPerSecond = pace
    return fault
  }

  private static func words(_ fault: Faults) -> String {
    let json = (try? JSONEncoder().encode(fault)).map { String(decoding: $0, as: UTF8.self) }
    return json ?? "\(fault)"
  }

  private static func script(_ id: String, using chance: inout SeededGenerator) -> String {
    let task = "$M/screenplay/\(id)"
    return [
      "find \(task)/results -type f -exec cat {} +", "ls -lR \(task)/results", "head -c 100 \(task)/results/f1.bin",
      "tail -c 10 \(task)/results/d/f2.bin", "stat \(task)/results/f2.bin", "cat \(task)/status \(task)/cost",
      "cp -r \(task)/results $M/../copy-$$", "ls -lR $M/screenplay $M/.tollfs; cat $M/.tollfs/*",
      "getfattr -d -m - \(task) \(task)/results/*", "dd if=\(task)/results/f1.bin bs=7 skip=1000 2>&1",
    ].randomElement(using: &chance).map { $0 + " > /dev/null" } ?? "true"
  }

  @Test("Random faults, several readers, some of them killed")
  func faults() async throws {
    var chance = Chaos.generator("faults")
    let settings = MountedSystem.Settings(
      budget: Self.budget, more: ["network:", "  connect_timeout: 1 s", "  read_timeout: 1 s", "  retries: 1"])
    try await MountedSystem.with([], settings) { system in
      try system.expect(Chaos.task("first", using: &chance))
      try await system.expectNoDifferences("first", isComplete: true)
      let base = try await system.belongings()
      let daemon = try await system.daemons()
      for round in 0..<Chaos.rounds(3) {
        let ids = (0..<3).map { "faulty-\(round)-\($0)" }
        var rules: [FaultRule] = []
        for id in ids {
          try system.expect(Chaos.task(id, using: &chance))
          let fault = Self.fault(using: &chance)
          print("chaos: \(id): \(Self.words(fault))")
          rules.append(FaultRule(fault, task: id, kind: .download, times: Bool.random(using: &chance) ? 1 : nil))
          if Int.random(in: 0..<4, using: &chance) == 0 {
            rules.append(FaultRule(Self.fault(using: &chance), task: id, kind: .status, times: 1))
          }
        }
        system.simulator.setFaults(rules)
        try await crowd(ids, of: system, using: &chance)
        for id in ids {
          try await system.expectNoDifferences(id, "after the faults")
          #expect(system.simulator.counters().task(id).billedDownloads <= 1, "\(id)")
        }
        #expect(try await system.counted() >= system.simulator.counters().total.billedMicroDollars)
        system.simulator.clearFaults()
        for id in ids {
          let fetched = try await system.tollfs("fetch", "screenplay/\(id)")
          #expect(fetched.status == 0, "\(id): \(fetched.errors)")
          try await system.expectNoDifferences(id, isComplete: true, "after the fetch")
          #expect(system.simulator.counters().task(id).billedDownloads <= 2, "\(id)")
        }
      }
      #expect(try await system.daemons() == daemon, "the daemon crashed")
      // The threads of the runtime's pools may stay.
      var now = base
      try await system.eventually("what was opened is closed: \(base)") {
        now = try await system.belongings()
        return now.files == base.files && now.threads <= base.threads + 8
      }
      #expect(now.files == base.files)
      try await system.unmount()
      try await system.eventually("the daemon ends") { try await system.daemons().isEmpty }
    }
  }

  private func crowd(_ ids: [String], of system: MountedSystem, using chance: inout SeededGenerator) async throws {
    var readers: [(ChildProcess, String)] = []
    for _ in 0..<8 {
      guard let id = ids.randomElement(using: &chance) else { return }
      let script = Self.script(id, using: &chance)
      readers.append((try await system.start(script), script))
      try await Task.sleep(for: .milliseconds(.random(in: 0...60, using: &chance)))
    }
    for (reader, _) in readers where Bool.random(using: &chance) {
      try await Task.sleep(for: .milliseconds(.random(in: 0...100, using: &chance)))
      reader.send(Bool.random(using: &chance) ? SIGINT : SIGKILL)
    }
    for (reader, script) in readers {
      let outcome = await reader.outcome()
      #expect(!outcome.timedOut, "hangs: \(script)")
    }
  }
}
