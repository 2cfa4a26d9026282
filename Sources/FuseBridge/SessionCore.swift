import CFuse
import FileSystem
import Glibc
import Logging

/// Where a session is mounted, and by which device number it is known from whatever is mounted there later.
struct MountedPlace: Sendable {
  let mountpoint: Mountpoint
  let device: String?

  init(mountpoint: Mountpoint) {
    self.mountpoint = mountpoint
    device = mountpoint.device
  }

  func unmount(lazily: Bool) -> Mountpoint.UnmountResult {
    guard let device else { return .unmounted }
    return mountpoint.unmount(device: device, lazily: lazily)
  }
}

/// The course of a session: idle, running, ended. Its threads hold it; a ``FuseSession`` is only its handle.
final class SessionCore: Sendable {
  private enum Phase {
    case idle, running, ended
  }

  private struct State {
    var phase = Phase.idle
    var isStopping = false
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let connection: Connection
  private let place: MountedPlace?
  let notifier: Notifier
  private let state = Monitor(State())
  private let wake = WakeUp()

  init(connection: Connection, place: MountedPlace?) {
    self.connection = connection
    self.place = place
    notifier = Notifier(connection: connection)
  }

  /// Begins to receive requests; does so once.
  func start() {
    let isFirst = state.withLock { state in
      guard state.phase == .idle else { return false }
      state.phase = .running
      return true
    }
    guard isFirst else { return }
    startThread { [self] in
      connection.serve(until: wake.reader)
      conclude()
    }
  }

  func resumeAtEnd(_ waiter: CheckedContinuation<Void, Never>) {
    let hasEnded = state.withLock { state in
      if state.phase != .ended { state.waiters.append(waiter) }
      return state.phase == .ended
    }
    if hasEnded { waiter.resume() }
  }

  func stop(drainingUntil deadline: ContinuousClock.Instant) {
    connection.beginDraining(until: deadline)
    let isFirst = state.withLock { state in
      guard !state.isStopping, state.phase != .ended else { return false }
      state.isStopping = true
      return true
    }
    guard isFirst else { return }
    start()
    startThread { [self] in
      reportStragglers(connection.drain())
      // While requests are still received: whoever unmounts may ask something of the mount.
      if let place, place.unmount(lazily: false) == .busy {
        connection.logger.debug("the mount is in use: unmounting lazily")
        _ = place.unmount(lazily: true)
      }
      wake.up()
    }
  }

  /// What is left to do once nothing is received any more, whoever ended it.
  private func conclude() {
    connection.beginDraining(until: .now)
    reportStragglers(connection.drain())
    // An aborted connection (umount -f, /sys/fs/fuse/connections) leaves a mount behind that answers ENOTCONN.
    _ = place?.unmount(lazily: true)
    notifier.close()
    connection.sever()
    let waiters = state.withLock { state in
      state.phase = .ended
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  private func reportStragglers(_ count: Int) {
    guard count > 0 else { return }
    connection.logger.warning("requests ignore their cancellation", metadata: ["count": "\(count)"])
  }
}

/// A pipe by which a thread that polls is woken up.
final class WakeUp: Sendable {
  let reader: Int32
  private let writer: Int32

  init() {
    var ends: [Int32] = [-1, -1]
    // Nothing works any more in a process that can't have a pipe.
    precondition(pipe(&ends) == 0, "no pipe: \(errorText(errno))")
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    (reader, writer) = (ends[0], ends[1])
  }

  /// Holds for good: whoever polls later is woken at once.
  func up() {
    _ = write(writer, "!", 1)
  }

  deinit {
    close(reader)
    close(writer)
  }
}
