import Glibc

/// Starts this program again in the background and waits for its report. Everything here blocks.
///
/// Not by fork: a forked child of a program with threads can't do anything but exec (fork(2)).
struct BackgroundStart {
  /// The arguments of the new process, without the program's name.
  let arguments: [String]
  /// How long a mount may take. Opening the databases and asking the kernel takes a fraction of a second; a cold disk more.
  var patience: Duration = .seconds(60)

  /// The descriptor on which the child reports.
  static let reportDescriptor: Int32 = 3
  /// POSIX_SPAWN_SETSID of spawn.h, which is shown under _GNU_SOURCE only: the child leaves our terminal and its signals.
  private static let newSession: Int32 = 0x80

  /// - Throws: when the process can't be started at all.
  func run() throws(ProcessFailure) -> ReadinessMessage {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw ProcessFailure("can't make a pipe", errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let (reader, writer) = (ends[0], ends[1])
    defer { close(reader) }
    let child: pid_t
    do throws(ProcessFailure) {
      child = try spawn(reportingTo: writer)
    } catch {
      close(writer)
      throw error
    }
    close(writer)
    return conclusion(of: child, heard: listen(to: reader))
  }

  private func spawn(reportingTo writer: Int32) throws(ProcessFailure) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // Whoever captures our output must not wait for the end of the mount. Errors may still go to the terminal until the
    // mount is ready; then the child puts its log in their place.
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, writer, Self.reportDescriptor)
    keepDescriptorsToOurselves()

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(
      &attributes, Int16(Self.newSession | Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF)))

    let words = ["tollfs"] + arguments
    let pointers = words.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    var child = pid_t()
    let status = posix_spawn(&child, Self.program, &actions, &attributes, pointers, environ)
    guard status == 0 else { throw ProcessFailure("can't start the background process", status) }
    return child
  }

  /// This program by its real name, which `ps` and `pgrep` then show; by the kernel's name for it when the file was replaced
  /// or removed since this process began.
  private static var program: String {
    let link = "/proc/self/exe"
    guard let resolved = realpath(link, nil) else { return link }
    defer { free(resolved) }
    return access(resolved, X_OK) == 0 ? String(cString: resolved) : link
  }

  /// What a shell or a service manager left open in us must not stay open as long as the mount lives. Every descriptor above
  /// the standard three is closed by exec; the duplicate that the child reports on is not marked so.
  private func keepDescriptorsToOurselves() {
    for descriptor in ProcFile.entries(of: "/proc/self/fd").compactMap({ Int32($0) }) where descriptor > STDERR_FILENO {
      let flags = fcntl(descriptor, F_GETFD)
      if flags >= 0 { _ = fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC) }
    }
  }

  private enum Heard {
    case message([UInt8])
    case nothingInTime
  }

  /// Reads until the other side closes the pipe.
  private func listen(to reader: Int32) -> Heard {
    let deadline = ContinuousClock.now + patience
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4_096)
    while true {
      let left = deadline - .now
      guard left > .zero else { return .nothingInTime }
      var waiting = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
      let ready = poll(&waiting, 1, Int32(left.components.seconds * 1_000 + 1_000))
      guard ready > 0 else { continue }
      let count = read(reader, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return .message(bytes) }
      bytes += chunk[..<count]
    }
  }

  private func conclusion(of child: pid_t, heard: Heard) -> ReadinessMessage {
    switch heard {
    case .nothingInTime:
      kill(child, SIGTERM)
      return .failed(.failed, "the mount was not ready after \(patience.components.seconds) s; it was told to end")
    case .message(let bytes):
      if let message = ReadinessMessage(bytes: bytes) { return message }
      var status: Int32 = 0
      while waitpid(child, &status, 0) < 0, errno == EINTR {}
      return .failed(.failed, "the background process ended without a word (\(Self.ending(status)))")
    }
  }

  /// Pure: a wait status in words (wait(2): the low seven bits hold the signal, the next eight the exit status).
  static func ending(_ status: Int32) -> String {
    let signal = status & 0x7f
    return signal == 0 ? "exit status \((status >> 8) & 0xff)" : "signal \(signal)"
  }
}
