import Foundation
import Synchronization

/// A child as `posix_spawn` made it: its number and our ends of its two outputs.
struct SpawnedChild {
  let processID: Int32
  let output: Int32
  let errors: Int32
}

/// Both ends of a pipe, closed in programs that are started.
struct Pipe {
  let reader: Int32
  let writer: Int32

  /// Returns nil, with errno set, where none can be made.
  static func make() -> Pipe? {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return nil }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return Pipe(reader: ends[0], writer: ends[1])
  }

  func close() {
    _ = Foundation.close(reader)
    _ = Foundation.close(writer)
  }
}

/// What to start.
struct SpawnCommand: Sendable {
  let program: String
  let arguments: [String]
  let environment: [String: String]
  let directory: String?

  /// Two children that start at the same moment must not inherit one another's pipes: the first would seem to run on
  /// until the second ends. (`pipe2` would need no lock, but Swift's Glibc module does not show it.)
  private static let spawning = Mutex(())

  func spawn() -> Result<SpawnedChild, ChildProcess.SpawnFailure> {
    Self.spawning.withLock { _ in spawnAlone() }
  }

  private func spawnAlone() -> Result<SpawnedChild, ChildProcess.SpawnFailure> {
    guard let output = Pipe.make() else { return .failure(failure(errno)) }
    guard let errors = Pipe.make() else {
      let reason = errno
      output.close()
      return .failure(failure(reason))
    }
    var processID: pid_t = 0
    let status = spawn(into: &processID, output: output.writer, errors: errors.writer)
    guard status == 0 else {
      output.close()
      errors.close()
      return .failure(failure(status))
    }
    _ = close(output.writer)
    _ = close(errors.writer)
    return .success(SpawnedChild(processID: processID, output: output.reader, errors: errors.reader))
  }

  private func failure(_ errno: Int32) -> ChildProcess.SpawnFailure {
    ChildProcess.SpawnFailure(program: program, errno: errno)
  }

  private func spawn(into processID: inout pid_t, output: Int32, errors: Int32) -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, errors, 2)
    // Whatever the test process holds open, a mount's own device above all, must not live on in a child.
    for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? [] {
      if let descriptor = Int32(name), descriptor > 2 { posix_spawn_file_actions_addclose(&actions, descriptor) }
    }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    // An ignored signal stays ignored in the child: without this, Ctrl-C would not reach a child of a harness that ignores it.
    for signal in [SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGQUIT] { sigaddset(&signals, signal) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    // `env` changes the directory, so that one which does not answer holds up the child, whose deadline runs, and not us.
    let words = (directory.map { ["env", "-C", $0] } ?? []) + [program] + arguments
    return withCStrings(words) { arguments in
      withCStrings(variables.map { "\($0.key)=\($0.value)" }) { variables in
        posix_spawnp(&processID, words[0], &actions, &attributes, arguments, variables)
      }
    }
  }

  private func withCStrings<Answer>(
    _ texts: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Answer
  ) -> Answer {
    let copies = texts.map { strdup($0) }
    defer { copies.forEach { free($0) } }
    var pointers = copies + [nil]
    return pointers.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { preconditionFailure("an array with an element has an address") }
      return body(base)
    }
  }
}
