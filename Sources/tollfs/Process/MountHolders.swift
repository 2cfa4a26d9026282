/// A process that keeps a mount busy.
struct MountHolder: Hashable, Sendable, Encodable {
  let pid: Int32
  let command: String
  /// What it holds: `cwd`, `root`, `maps`, or the path of an open file.
  let holds: String
}

/// Finds the processes that hold a mount, from /proc alone: nothing in the mount is touched, since a mount whose daemon
/// has died or hangs would hang whoever asks.
enum MountHolders {
  /// Those that this user may look at; one entry a process.
  static func holding(_ mountpoint: String) -> [MountHolder] {
    ProcFile.entries(of: "/proc").compactMap { Int32($0) }.sorted().compactMap { process in
      held(by: process, below: mountpoint).map { holds in
        var command = ProcFile.text("/proc/\(process)/comm") ?? "?"
        if command.last == "\n" { command.removeLast() }
        return MountHolder(pid: process, command: command, holds: holds)
      }
    }
  }

  /// Whether a path lies in the directory.
  static func contains(_ directory: String, _ path: String) -> Bool {
    path == directory || path.hasPrefix(directory == "/" ? "/" : directory + "/")
  }

  private static func held(by process: Int32, below mountpoint: String) -> String? {
    for name in ["cwd", "root"] {
      if let target = ProcFile.link("/proc/\(process)/\(name)"), contains(mountpoint, target) { return name }
    }
    for descriptor in ProcFile.entries(of: "/proc/\(process)/fd") {
      if let target = ProcFile.link("/proc/\(process)/fd/\(descriptor)"), contains(mountpoint, target) { return target }
    }
    guard let maps = ProcFile.text("/proc/\(process)/maps") else { return nil }
    for line in maps.split(separator: "\n") {
      // Five fields, then the path, which may hold spaces.
      let fields = line.split(separator: " ", maxSplits: 5)
      if fields.count == 6, contains(mountpoint, String(fields[5].drop { $0 == " " })) { return "maps" }
    }
    return nil
  }
}
