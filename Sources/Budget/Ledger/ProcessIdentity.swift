import Foundation

/// Which process made a reservation, told apart from a later one that got the same number.
struct ProcessIdentity: Sendable, Hashable {
  let processID: Int32
  /// Clock ticks from boot to the process's start: field 22 of `/proc/PID/stat` (proc_pid_stat(5)); zero when not known.
  let startTime: Int64
  /// `/proc/sys/kernel/random/boot_id`; empty when not known.
  let bootID: String
  /// What `/proc/PID/ns/pid` points at: a number means something only inside its namespace. Empty when not known.
  let namespace: String

  /// This very process.
  static func current() -> ProcessIdentity {
    let processID = getpid()
    return ProcessIdentity(
      processID: processID, startTime: startTime(of: processID) ?? 0,
      bootID: contents(of: "/proc/sys/kernel/random/boot_id").trimmingCharacters(in: .whitespacesAndNewlines),
      namespace: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")) ?? "")
  }

  /// Whether the process has certainly ended. In doubt it counts as living: its reservation counts either way.
  func isGone(seenFrom observer: ProcessIdentity) -> Bool {
    if !bootID.isEmpty, !observer.bootID.isEmpty, bootID != observer.bootID { return true }
    guard namespace == observer.namespace else { return false }
    if kill(processID, 0) != 0, errno == ESRCH { return true }
    let stat = Self.contents(of: "/proc/\(processID)/stat")
    if Self.isDead(inStat: stat) { return true }
    guard startTime != 0, let running = Self.startTime(inStat: stat) else { return false }
    return running != startTime
  }

  /// Whether the process has ended and only waits for its parent to notice: state Z or X, field 3 (proc_pid_stat(5)).
  static func isDead(inStat line: String) -> Bool {
    guard let end = line.lastIndex(of: ")") else { return false }
    let state = line[line.index(after: end)...].first { $0 != " " }
    return state == "Z" || state == "X"
  }

  static func startTime(of processID: Int32) -> Int64? {
    startTime(inStat: contents(of: "/proc/\(processID)/stat"))
  }

  /// The command name in parentheses may hold anything, so fields are counted from the last `)`: the next one is field 3.
  static func startTime(inStat line: String) -> Int64? {
    guard let end = line.lastIndex(of: ")") else { return nil }
    let fields = line[line.index(after: end)...].split(separator: " ")
    guard fields.count > 22 - 3 else { return nil }
    return Int64(fields[22 - 3])
  }

  private static func contents(of path: String) -> String {
    // Files below /proc say that they are empty, so they are read to their end and not by their size.
    guard let handle = FileHandle(forReadingAtPath: path) else { return "" }
    defer { try? handle.close() }
    guard let data = try? handle.readToEnd() else { return "" }
    return String(decoding: data, as: UTF8.self)
  }
}
