import Foundation
import GRDB
import Logging
import Tasks
import TestSupport
import Testing

@testable import Budget

/// Runs the helper under strace, which kills it at a system call or makes the call fail.
private struct HelperRun {
  /// What writes, syncs, names and locks the ledger's files.
  static let calls = ["pwrite64", "fdatasync", "fsync", "rename", "ftruncate", "unlink", "fcntl", "flock"]

  let directory: TemporaryDirectory
  let seed: UInt64

  /// The program that `swift build` made beside this test bundle.
  private static let program: String = {
    let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return (bundle as NSString).deletingLastPathComponent + "/LedgerHelper"
  }()

  static func canTrace() async -> Bool {
    let outcome = try? await ChildProcess.run("strace", ["-o", "/dev/null", "true"], timeout: 20)
    let isThere = outcome?.status == 0 && FileManager.default.isExecutableFile(atPath: program)
    if !isThere { print("kill points: skipped: strace is missing or may not trace, or LedgerHelper is not built") }
    return isThere
  }

  init(seed: UInt64) async throws {
    directory = try TemporaryDirectory("kill")
    self.seed = seed
    // Every third ledger is one of the first version, so that bringing it up to date is killed as well.
    guard seed % 3 == 0 else { return }
    let queue = try DatabaseQueue(path: directory.file("ledger.sqlite"))
    try LedgerSchema.migrator.migrate(queue, upTo: LedgerSchema.firstVersion)
    try queue.close()
  }

  /// Lets the helper shop, or only mend.
  func run(_ call: String, _ injection: String, shopping: Bool = true) async throws -> ChildProcess.Outcome {
    // Without --seccomp-bpf, with which strace 6.1 sends no signal.
    let options = ["-f", "-o", "/dev/null", "-e", "trace=\(call)", "-e", "inject=\(call):\(injection)"]
    let arguments = [directory.path] + (shopping ? ["\(seed)"] : [])
    let outcome = try await ChildProcess.run("strace", options + [Self.program] + arguments, timeout: 300)
    #expect(!outcome.timedOut)
    return outcome
  }

  /// How often one thread makes each call at most: strace counts each thread's calls apart.
  func counts() async throws -> [String: Int] {
    let log = directory.file("trace")
    let trace = "trace=" + Self.calls.joined(separator: ",")
    let outcome = try await ChildProcess.run(
      "strace", ["-f", "--seccomp-bpf", "-o", log, "-e", trace, Self.program, directory.path, "\(seed)"], timeout: 300)
    #expect(outcome.lines.last == "done", "\(outcome.output)\(outcome.errors)")
    var counts: [String: [Substring: Int]] = [:]
    for line in try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
      guard words.count == 2, let end = words[1].firstIndex(of: "(") else { continue }
      counts[String(words[1][..<end]).trimmingCharacters(in: .whitespaces), default: [:]][words[0], default: 0] += 1
    }
    return counts.mapValues { $0.values.max() ?? 0 }
  }

  /// Opens the ledger as the next process does, and says what is wrong with it.
  func violations(after lines: [String]) async throws -> [String] {
    let quiet = Logger(label: "kill") { _ in SwiftLogNoOpLogHandler() }
    let ledger = try await Ledger(stateDirectory: directory.path, logger: quiet)
    let purchases = try await ledger.purchases()
    let approvals = try await ledger.summary(caps: nil).approvals
    var found = HelperTrace(lines).violations(
      purchases, openApprovals: Dictionary(uniqueKeysWithValues: approvals.map { ($0.task, $0.upTo) }))
    found += try await ledger.audit()
    if purchases.contains(where: { $0.state == .reserved }) { found.append("a dead process's reservation is open") }
    // The helper's total, which no approval passes; what turned out dearer than its reservation has no limit.
    let reserved = purchases.reduce(0) { $0 + min($1.charge, $1.reserved).microDollars }
    if reserved > 600 { found.append("the total cap of 600 is exceeded: \(reserved) reserved") }
    try await ledger.close()
    return found
  }
}

@Suite("Killed at any system call, and disks that fail")
struct KillPointTests {
  private static let environment = ProcessInfo.processInfo.environment
  /// `TOLLFS_KILL_POINTS=N` runs so many, `TOLLFS_KILL_SEED=N` repeats them.
  private static let points = environment["TOLLFS_KILL_POINTS"].flatMap(Int.init) ?? 20
  private static let seed = environment["TOLLFS_KILL_SEED"].flatMap(UInt64.init) ?? .random(in: 0...(1 << 40))

  @Test("At every kill the ledger opens, its audit is clean, and what was said to be reserved counts")
  func kills() async throws {
    guard await HelperRun.canTrace() else { return }
    print("kill points: TOLLFS_KILL_SEED=\(Self.seed)")
    var generator = SeededGenerator(seed: Self.seed)
    var (strikes, kills, recoveryKills, round) = (0, 0, 0, UInt64(0))
    while kills + recoveryKills < Self.points {
      let script = Self.seed &+ round
      round += 1
      let counts = try await HelperRun(seed: script).counts()
      for call in HelperRun.calls.shuffled(using: &generator) {
        for number in numbers(call, counts[call] ?? 0, &generator) where kills + recoveryKills < Self.points {
          let result = try await strike(script, call, number, &generator)
          strikes += 1
          kills += result.killed ? 1 : 0
          recoveryKills += result.killedAgain ? 1 : 0
        }
      }
      print("kill points: \(kills) kills and \(recoveryKills) kills during recovery so far, \(round) scripts")
    }
    // Few survive, when threads share the calls in another way than at the count.
    #expect(kills * 2 > strikes, "\(kills) of \(strikes) were killed")
  }

  /// At which of so many calls the helper is killed: at each when many points are wanted, at a few of several scripts otherwise.
  private func numbers(_ call: String, _ count: Int, _ generator: inout SeededGenerator) -> ArraySlice<Int> {
    guard count > 0 else { return [] }
    // There are as many locks as all the others together, and less depends on them.
    let most = Self.points < 200 ? 2 : call == "fcntl" ? 20 : .max
    return (1...count).shuffled(using: &generator).prefix(most)
  }

  private func strike(_ script: UInt64, _ call: String, _ number: Int, _ generator: inout SeededGenerator) async throws
    -> (killed: Bool, killedAgain: Bool)
  {
    let run = try await HelperRun(seed: script)
    let place = "script \(script), \(call) \(number)"
    let outcome = try await run.run(call, "signal=SIGKILL:when=\(number)")
    let isKilled = outcome.status == 128 + SIGKILL
    // What survives has come to its end: another thread made the call this time.
    #expect(isKilled || outcome.lines.last == "done", "\(place): \(outcome.output)\(outcome.errors)")
    let again = HelperRun.calls.randomElement(using: &generator) ?? call
    let when = Int.random(in: 1...8, using: &generator)
    let recovery = try await run.run(again, "signal=SIGKILL:when=\(when)", shopping: false)
    let isKilledAgain = recovery.status == 128 + SIGKILL
    #expect(isKilledAgain || recovery.lines.last == "done", "\(place), then \(again) \(when): \(recovery.output)")
    do {
      let violations = try await run.violations(after: outcome.lines)
      #expect(violations == [], "\(place), then \(again) \(when): \(outcome.output)")
    } catch {
      Issue.record("\(place), then \(again) \(when): the ledger does not open: \(error)")
    }
    return (isKilled, isKilledAgain)
  }

  @Test("A disk that fails once, or from some moment on: nothing is said to be reserved that is not in the ledger")
  func failingDisk() async throws {
    guard await HelperRun.canTrace() else { return }
    print("failing disk: TOLLFS_KILL_SEED=\(Self.seed)")
    var generator = SeededGenerator(seed: Self.seed)
    let faults = [
      ("pwrite64", "ENOSPC"), ("pwrite64", "EIO"), ("fdatasync", "EIO"), ("fsync", "EIO"), ("ftruncate", "EIO"),
      ("pread64", "EIO"), ("rename", "ENOSPC"), ("unlink", "EIO"),
    ]
    var failures = 0
    for round in 0..<max(Self.points / 2, 8) {
      let script = Self.seed &+ UInt64(round)
      let (call, error) = faults[round % faults.count]
      let run = try await HelperRun(seed: script)
      let number = Int.random(in: 1...(call == "pwrite64" ? 80 : call == "pread64" ? 20 : 12), using: &generator)
      let injection = "error=\(error):when=\(number)\(Bool.random(using: &generator) ? "+" : "")"
      let outcome = try await run.run(call, injection)
      failures += HelperTrace(outcome.lines).failures
      do {
        let violations = try await run.violations(after: outcome.lines)
        #expect(violations == [], "script \(script), \(call) \(injection): \(outcome.output)")
      } catch {
        Issue.record("script \(script), \(call) \(injection): the ledger does not open: \(error)")
      }
    }
    print("failing disk: \(failures) steps failed")
    if Self.points >= 20 { #expect(failures > 0, "no fault has hit anything") }
  }
}
