import Glibc

/// Takes mounts away. Everything here blocks.
enum Unmounting {
  enum Outcome: Hashable, Sendable {
    case done
    case busy
    case failed(String)
  }

  /// Unmounts what is mounted at `path` (as the mount table names it), as root by itself, else through `fusermount3`.
  static func unmount(_ path: String, lazily: Bool) -> Outcome {
    // UMOUNT_NOFOLLOW is 8 and MNT_DETACH 2 (umount(2)); Swift's Glibc module does not show them.
    if geteuid() == 0 {
      if umount2(path, 8 | (lazily ? 2 : 0)) == 0 { return .done }
      return errno == EBUSY ? .busy : .failed(String(cString: strerror(errno)))
    }
    let result = Tool.run("fusermount3", [lazily ? "-uz" : "-u", "--", path], patience: .seconds(20))
    switch result {
    case .success(let ended) where ended.status == 0: return .done
    case .success(let ended) where ended.errors.contains("busy"): return .busy
    case .success(let ended): return .failed(ended.errors.isEmpty ? "fusermount3 failed" : ended.errors)
    case .failure(let failure): return .failed("\(failure); is fuse3 installed?")
    }
  }

  /// Waits until the mount table does not have this very mount any more.
  static func waitUntilGone(_ mount: MountInfo.Mount, deadline: ContinuousClock.Instant) -> Bool {
    while MountInfo.current().mounts.contains(where: { $0.path == mount.path && $0.device == mount.device }) {
      guard ContinuousClock.now < deadline else { return false }
      usleep(10_000)
    }
    return true
  }
}

/// A program that is run to its end, with what it said on standard error.
enum Tool {
  struct Ended: Hashable, Sendable {
    /// Exit status; 128 + n for signal n.
    let status: Int32
    let errors: String
  }

  /// Blocks. A program that takes longer than `patience` is killed.
  static func run(_ program: String, _ arguments: [String], patience: Duration) -> Result<Ended, ProcessFailure> {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return .failure(ProcessFailure("can't make a pipe", errno)) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer { close(ends[0]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO)
    let pointers = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    var child = pid_t()
    let status = posix_spawnp(&child, program, &actions, nil, pointers, environ)
    close(ends[1])
    guard status == 0 else { return .failure(ProcessFailure("can't run \(program)", status)) }
    return .success(end(of: child, errors: ends[0], deadline: .now + patience))
  }

  private static func end(of child: pid_t, errors: Int32, deadline: ContinuousClock.Instant) -> Ended {
    var said: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4_096)
    var wasKilled = false
    while true {
      if !wasKilled, ContinuousClock.now >= deadline {
        kill(child, SIGKILL)
        wasKilled = true
      }
      var waiting = pollfd(fd: errors, events: Int16(POLLIN), revents: 0)
      let ready = poll(&waiting, 1, 100)
      guard ready > 0 else {
        // A grandchild that keeps the pipe open must not keep us.
        if wasKilled { break }
        continue
      }
      let count = read(errors, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      said += chunk[..<count]
    }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    var text = String(decoding: said, as: UTF8.self)
    while text.last == "\n" { text.removeLast() }
    return Ended(status: status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f), errors: text)
  }
}
