import Foundation

/// Collects one child's outputs, kills it at its deadline and tells how it ended. Runs on a thread of its own.
struct ChildSupervisor {
  let child: ChildProcess
  let spawned: SpawnedChild
  let deadline: ContinuousClock.Instant

  /// How long a pipe is read on after the child has ended: something that it left in the background may hold it open.
  static let leftoverGrace = Duration.milliseconds(300)
  /// How long SIGKILL may take. A process in an uninterruptible wait ignores it, and the test must fail rather than hang.
  static let killGrace = Duration.seconds(5)

  func run() {
    guard let ended = Pipe.make() else { preconditionFailure("no pipe: \(errno)") }
    let (exitReport, exitReader) = (ended.writer, ended.reader)
    let child = child
    Thread.detachNewThread {
      var status = Self.awaitEnd(of: child)
      _ = write(exitReport, &status, MemoryLayout<Int32>.size)
      _ = close(exitReport)
    }
    let status = collect(exitReader: exitReader)
    for descriptor in [exitReader, spawned.output, spawned.errors] { _ = close(descriptor) }
    finish(status)
  }

  /// Blocks until the child has ended, and reaps it.
  private static func awaitEnd(of child: ChildProcess) -> Int32 {
    var information = siginfo_t()
    // Leaves the zombie there, so that its number stays its own until `send` knows.
    while waitid(P_PID, id_t(child.processID), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
    return child.state.withLock { state in
      var status: Int32 = 0
      while waitpid(child.processID, &status, 0) < 0, errno == EINTR {}
      state.isReaped = true
      let signal = status & 0x7f
      return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }
  }

  private func collect(exitReader: Int32) -> Int32 {
    var sources = [
      pollfd(fd: spawned.output, events: Int16(POLLIN), revents: 0),
      pollfd(fd: spawned.errors, events: Int16(POLLIN), revents: 0),
      pollfd(fd: exitReader, events: Int16(POLLIN), revents: 0),
    ]
    var limit = deadline
    var status: Int32?
    while sources[0].fd >= 0 || sources[1].fd >= 0 || sources[2].fd >= 0 {
      let left = limit - .now
      if left <= .zero {
        if status != nil { break }
        if child.state.withLock({ $0.timedOut }) { break }
        child.state.withLock { $0.timedOut = true }
        child.send(SIGKILL)
        limit = .now + Self.killGrace
        continue
      }
      guard poll(&sources, 3, Self.milliseconds(left)) > 0 else { continue }
      for index in 0..<2 where sources[index].revents != 0 {
        if !take(from: sources[index].fd, isOutput: index == 0) { sources[index].fd = -1 }
      }
      if sources[2].revents != 0 {
        var value: Int32 = 0
        _ = read(exitReader, &value, MemoryLayout<Int32>.size)
        status = value
        sources[2].fd = -1
        limit = .now + Self.leftoverGrace
      }
    }
    return status ?? 128 + SIGKILL
  }

  /// Returns false at the end of the pipe.
  private func take(from descriptor: Int32, isOutput: Bool) -> Bool {
    // As much as a pipe holds by default.
    let count = 65_536
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = max(0, read(descriptor, buffer.baseAddress, count))
    }
    guard !bytes.isEmpty else { return false }
    child.state.withLock { state in
      if isOutput { state.output += bytes } else { state.errors += bytes }
    }
    return true
  }

  private static func milliseconds(_ duration: Duration) -> Int32 {
    let parts = duration.components
    // A poll of at most a minute: the loop comes round again.
    return Int32(min(60_000, parts.seconds * 1_000 + parts.attoseconds / 1_000_000_000_000_000 + 1))
  }

  private func finish(_ status: Int32) {
    let duration = ContinuousClock.now - child.started
    let (outcome, waiters) = child.state.withLock { state in
      let outcome = ChildProcess.Outcome(
        status: status, timedOut: state.timedOut, outputBytes: state.output, errorBytes: state.errors,
        duration: duration)
      state.outcome = outcome
      defer { state.waiters = [] }
      return (outcome, state.waiters)
    }
    for waiter in waiters { waiter.resume(returning: outcome) }
  }
}
