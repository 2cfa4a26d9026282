import Glibc
import Tasks

/// `api_key_command`: a key that a command prints, such as `pass show memories`.
///
/// The command is run by `/bin/sh -c`, with nothing on its standard input and its standard error left as ours. The first
/// line of its output is the key. It must exit with 0 before the deadline; a command that does not is killed with all
/// its children.
public struct CommandKey: KeyProvider {
  private let command: String
  private let deadline: Duration

  /// - Parameter deadline: 30 s unless given: enough to type a passphrase into a graphical prompt.
  public init(command: String, deadline: Duration = .seconds(30)) {
    self.command = command
    self.deadline = deadline
  }

  public func key() async throws(SourceFailure) -> APIKey {
    // The command line itself may hold a secret, so no reason ever repeats it.
    switch await BlockingWork.run({ ShellRun(command, deadline: deadline).result() }) {
    case .notStarted(let code):
      throw SourceFailure(.accessDenied, "can't run api_key_command: \(String(cString: strerror(code)))")
    case .timedOut:
      throw SourceFailure(
        .accessDenied, "api_key_command did not finish within \(deadline.forPeople); run it by hand to see why")
    case .failed(let status):
      throw SourceFailure(.accessDenied, "api_key_command failed (\(status)); run it by hand to see why")
    case .printed(let output):
      let line = output.prefix { $0 != UInt8(ascii: "\n") }
      guard let key = APIKey(String(decoding: line, as: UTF8.self)) else {
        throw SourceFailure(.accessDenied, "api_key_command printed no key on its first line")
      }
      return key
    }
  }
}

/// One run of a shell command, from start to reaped. Blocks: never on the cooperative pool.
private struct ShellRun {
  enum Outcome: Sendable {
    case printed([UInt8])
    case failed(String)
    case timedOut
    case notStarted(Int32)
  }

  /// More than any key; what a command prints beyond is read and dropped, so that it can finish.
  private static let longestOutput = 64 << 10
  /// How often the end of the command is looked for once its output is closed, or kept open by a grandchild.
  private static let pollMilliseconds: Int32 = 20

  private let command: String
  private let end: ContinuousClock.Instant

  init(_ command: String, deadline: Duration) {
    self.command = command
    end = .now + deadline
  }

  func result() -> Outcome {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return .notStarted(errno) }
    // Not atomic (pipe2 is not visible to Swift): a process that another thread starts just now may keep an end open.
    // That does no harm here, where the end of the command counts and not the end of its output.
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer { close(ends[0]) }
    var child: pid_t = 0
    let code = start(output: ends[1], child: &child)
    close(ends[1])
    guard code == 0 else { return .notStarted(code) }
    return follow(child, output: ends[0])
  }

  private func start(output: Int32, child: inout pid_t) -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // A group of its own, to be killed as one; and none of the signals that a daemon blocks or ignores.
    posix_spawnattr_setpgroup(&attributes, 0)
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    let arguments = ["/bin/sh", "-c", command].map { (text: String) -> UnsafeMutablePointer<CChar>? in strdup(text) }
    defer { for argument in arguments { free(argument) } }
    return posix_spawn(&child, "/bin/sh", &actions, &attributes, arguments + [nil], environ)
  }

  private func follow(_ child: pid_t, output: Int32) -> Outcome {
    var collected: [UInt8] = []
    var isOpen = true
    _ = fcntl(output, F_SETFL, O_NONBLOCK)
    while true {
      var status: Int32 = 0
      // Asked before the output is read: whatever an ended command wrote is in the pipe by then.
      let ended = waitpid(child, &status, WNOHANG)
      if isOpen { isOpen = drain(output, into: &collected) }
      if ended == child { return outcome(of: status, collected) }
      guard ended == 0 || errno == EINTR else { return .failed("its exit status is lost") }
      guard ContinuousClock.now < end else {
        kill(-child, SIGKILL)
        waitpid(child, &status, 0)
        return .timedOut
      }
      var waiting = pollfd(fd: isOpen ? output : -1, events: Int16(POLLIN), revents: 0)
      poll(&waiting, 1, Self.pollMilliseconds)
    }
  }

  /// Reads what is there; returns false at the end of the output.
  private func drain(_ output: Int32, into collected: inout [UInt8]) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(output, &buffer, buffer.count)
      if count == 0 { return false }
      if count < 0 { return errno == EAGAIN || errno == EINTR }
      collected += buffer[..<min(count, max(0, Self.longestOutput - collected.count))]
    }
  }

  private func outcome(of status: Int32, _ output: [UInt8]) -> Outcome {
    let signal = status & 0x7f
    guard signal == 0 else { return .failed("killed by signal \(signal)") }
    let code = (status >> 8) & 0xff
    return code == 0 ? .printed(output) : .failed("exit status \(code)")
  }
}
