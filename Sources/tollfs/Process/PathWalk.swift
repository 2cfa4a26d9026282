/// Follows a path without touching any tollfs mount: its daemon may be dead, or the very process that asks.
///
/// Pure but for reading links outside the mounts, which is injected.
struct PathWalk {
  /// Absolute, without symbolic links, as the mount table has them.
  let mountpoints: Set<String>
  /// The target of a symbolic link; nil for what is none, or is not there.
  let readLink: (String) -> String?

  /// As many as the kernel follows (path_resolution(7)).
  private static let linkLimit = 40

  /// Where the path leads: absolute, links outside of mounts followed, `.` and `..` resolved.
  /// Returns nil when links run in a circle.
  func resolve(_ path: String, from directory: String) -> String? {
    var resolved: [String] = []
    var pending = Self.parts(path.hasPrefix("/") ? path : directory + "/" + path)
    var linksLeft = Self.linkLimit
    while !pending.isEmpty {
      let part = pending.removeFirst()
      if part == ".." {
        _ = resolved.popLast()
        continue
      }
      let candidate = "/" + (resolved + [part]).joined(separator: "/")
      let isInMount = mountpoints.contains { MountHolders.contains($0, candidate) }
      if !isInMount, let target = readLink(candidate) {
        guard linksLeft > 0 else { return nil }
        linksLeft -= 1
        if target.hasPrefix("/") { resolved = [] }
        pending = Self.parts(target) + pending
      } else {
        resolved.append(part)
      }
    }
    return "/" + resolved.joined(separator: "/")
  }

  /// The innermost mount that holds a resolved path, and what follows its mountpoint.
  func split(_ resolved: String) -> (mountpoint: String, inside: [String])? {
    guard
      let mountpoint = mountpoints.filter({ MountHolders.contains($0, resolved) }).max(by: { $0.count < $1.count })
    else { return nil }
    return (mountpoint, Self.parts(String(resolved.dropFirst(mountpoint.count))))
  }

  private static func parts(_ path: String) -> [String] {
    path.split(separator: "/").map(String.init).filter { $0 != "." }
  }
}
