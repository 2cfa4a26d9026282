import APISimulator
import Foundation
import Glibc
import TestSupport
import Testing

/// What the chaos tests share: chance, tasks of random content, and the questions that are asked after every disaster.
///
/// `CHAOS_ROUNDS=20` makes them run twenty times as long, `CHAOS_SEED=n` repeats a run as far as the clock allows.
enum Chaos {
  private static func number(_ variable: String) -> UInt64? {
    ProcessInfo.processInfo.environment[variable].flatMap { UInt64($0) }
  }

  static func rounds(_ usual: Int) -> Int { usual * Int(number("CHAOS_ROUNDS") ?? 1) }

  static func generator(_ test: String) -> SeededGenerator {
    let seed = number("CHAOS_SEED") ?? UInt64.random(in: 1...999_999)
    print("chaos: \(test): CHAOS_SEED=\(seed)")
    return SeededGenerator(seed: seed)
  }

  /// A completed task: a few small files and a few that take their time, in any of the forms in which zips are written.
  static func task(_ id: String, using chance: inout SeededGenerator) -> SimulatedTask {
    let files = (1...Int.random(in: 2...6, using: &chance)).map { number in
      let size =
        Bool.random(using: &chance)
        ? Int64.random(in: 0...2_000, using: &chance) : .random(in: 2_000...900_000, using: &chance)
      return SimulatedFile(
        path: Bool.random(using: &chance) ? "f\(number).bin" : "d/f\(number).bin",
        content: .generated(
          GeneratedContent(
            seed: .random(in: 0...9_999, using: &chance), size: size,
            texture: Bool.random(using: &chance) ? .noise : .text)),
        method: Bool.random(using: &chance) ? .stored : .deflated(level: 1))
    }
    let style = ZipStyle.named.map(\.style).randomElement(using: &chance) ?? .streamed
    return SimulatedTask(id: id, files: files, style: style)
  }
}

extension MountedSystem {
  /// Puts a task into the simulator, and its files where ``differences(_:)`` finds them.
  func expect(_ task: SimulatedTask) throws {
    simulator.put(task)
    guard case .files(let files, _) = task.result else { return }
    for file in files {
      let path = directory.file("expected/\(task.id)/" + String(decoding: file.name, as: UTF8.self))
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      let bytes = file.bytes(at: 0, count: Int(file.size))
      #expect(FileManager.default.createFile(atPath: path, contents: Data(bytes)))
    }
  }

  /// Walks through a task's results as a user would. Whatever is listed must belong there, have the right size, and, where it
  /// can be read to its end, the right bytes.
  /// - Returns: what is wrong, in words; with `isComplete` also what is missing.
  func differences(_ id: String, isComplete: Bool = false) async throws -> String {
    let copy = directory.file("copy")
    let outcome = try await shell(
      """
      E='\(directory.file("expected/" + id))'; R="$M/screenplay/\(id)/results"
      ls "$R" > /dev/null 2>&1 || [ -z '\(isComplete ? "all" : "")' ] || echo "the listing fails"
      cd "$R" 2> /dev/null || exit 0
      find . -type f 2> /dev/null | sed 's,^./,,' > '\(copy).names'
      while read -r f; do
        [ -e "$E/$f" ] || { echo "$f should not be there"; continue; }
        if cat "$f" > '\(copy)' 2> '\(copy).reason'; then
          cmp -s '\(copy)' "$E/$f" || echo "$f has wrong bytes: $(stat -c %s '\(copy)') of $(stat -c %s "$E/$f")"
          [ "$(stat -c %s "$f")" = "$(stat -c %s "$E/$f")" ] || echo "$f has a wrong size"
        else
          [ -z '\(isComplete ? "all" : "")' ] || echo "$f can't be read: $(cat '\(copy).reason')"
        fi
      done < '\(copy).names'
      [ -z '\(isComplete ? "all" : "")' ] ||
        (cd "$E" && find . -type f | while read -r f; do [ -e "$R/$f" ] || echo "$f is missing"; done)
      """, timeout: 60)
    return (outcome.timedOut ? "hangs\n" : "") + outcome.output
  }

  func expectNoDifferences(_ id: String, isComplete: Bool = false, _ when: String = "") async throws {
    let differences = try await differences(id, isComplete: isComplete).split(separator: "\n")
    #expect(differences == [], "\(id) \(when)")
  }

  /// What counts against the budget: spent, reserved and unsettled, in micro-dollars.
  func counted() async throws -> Int64 {
    let outcome = try await tollfs("budget", "--json")
    try #require(outcome.status == 0, "budget: \(outcome.errors)")
    let summary = try JSONDecoder().decode(Summary.self, from: Data(outcome.outputBytes))
    let total = try #require(summary.windows.first { $0.cap == "total" })
    return try [total.spent, total.reserved].reduce(0) {
      let dollars = try #require(Decimal(string: $1))
      return $0 + NSDecimalNumber(decimal: dollars * 1_000_000).int64Value
    }
  }

  private struct Summary: Decodable {
    struct Window: Decodable {
      let cap: String
      let spent: String
      let reserved: String
    }
    let windows: [Window]
  }

  /// What the daemon has open, connections aside, and how many threads it has. Databases are left out: their pools open as
  /// many connections as are used at once, up to a small limit.
  func belongings() async throws -> (files: [String], threads: Int) {
    let process = try #require(try await daemons().first)
    let files = try await shell(
      "for f in /proc/\(process)/fd/*; do readlink $f; done | sed 's/[0-9]//g' | grep -v -e socket: -e sqlite | sort")
    return (files.lines, try await shell("ls /proc/\(process)/task").lines.count)
  }

  /// Waits for a condition of the world outside, which needs its time.
  func eventually(_ what: String, seconds: Double = 20, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
      if try await condition() { return }
      try await Task.sleep(for: .milliseconds(100))
    }
    Issue.record("not within \(seconds) s: \(what)")
  }

  func killDaemons() async throws {
    let processes = try await daemons()
    for process in processes { kill(process, SIGKILL) }
    try await eventually("the daemon is dead") { try await daemons().isEmpty }
  }

  /// What a user does after a crash.
  func remount() async throws {
    try await killDaemons()
    _ = try await tollfs("unmount")
    try await mount()
  }
}
