import Glibc
import Synchronization

/// Tells other processes that a mount's process lives: a locked file in the state directory.
///
/// The kernel gives the lock back when the process ends, however it ends, so it never lies. `unmount` waits for it:
/// when the mount is out of sight, its process may still be finishing a download that was paid for.
final class MountRecord: Sendable {
  private let descriptor: Int32

  /// Takes the lock. Returns nil when another process has it, or the file can't be made: then `unmount` can't wait, and
  /// nothing else is lost.
  static func take(stateDirectory: String, mountpoint: String) -> MountRecord? {
    let path = path(stateDirectory: stateDirectory, mountpoint: mountpoint)
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { return nil }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      return nil
    }
    let text = Array("\(getpid())\n\(mountpoint)\n".utf8)
    ftruncate(descriptor, 0)
    _ = write(descriptor, text, text.count)
    return MountRecord(descriptor: descriptor)
  }

  private init(descriptor: Int32) {
    self.descriptor = descriptor
  }

  /// Lets go of the lock. The file stays: whoever removed it might remove it under one who has just opened it.
  deinit {
    close(descriptor)
  }

  private static let kept = Mutex<[MountRecord]>([])

  /// Holds the lock until the kernel takes it back at the very end of the process.
  func keepUntilExit() {
    Self.kept.withLock { $0.append(self) }
  }

  /// Waits until no process serves the mountpoint. Blocks; returns false when the deadline has passed first.
  static func waitForEnd(stateDirectory: String, mountpoint: String, deadline: ContinuousClock.Instant) -> Bool {
    let descriptor = open(path(stateDirectory: stateDirectory, mountpoint: mountpoint), O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return true }
    defer { close(descriptor) }
    while flock(descriptor, LOCK_SH | LOCK_NB) != 0 {
      guard errno == EWOULDBLOCK || errno == EINTR else { return true }
      guard ContinuousClock.now < deadline else { return false }
      // Short against what a person notices, long against what it costs.
      usleep(20_000)
    }
    return true
  }

  /// One file a mountpoint, under a name that is made of nothing but its path (FNV-1a, 64 bits).
  private static func path(stateDirectory: String, mountpoint: String) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in mountpoint.utf8 {
      hash ^= UInt64(byte)
      hash = hash &* 0x100_0000_01b3
    }
    return stateDirectory + "/mount-" + String(hash, radix: 16) + ".lock"
  }
}
