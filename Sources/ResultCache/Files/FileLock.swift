import Glibc

/// A lock on a file that the kernel releases when its holder lets go of it or dies (flock(2)). Two locks of one process
/// exclude each other as those of two processes do.
final class FileLock: Sendable {
  private let file: Descriptor

  private init(_ file: Descriptor) {
    self.file = file
  }

  enum Mode {
    case shared, exclusive
  }

  /// Takes the lock if nobody holds it, without waiting. Lock files are never removed: a lock on a removed file would
  /// exclude nobody.
  static func attempt(_ path: String, _ mode: Mode = .exclusive) throws(CacheFailure) -> FileLock? {
    let file = try Descriptor.open(path, O_RDWR | O_CREAT)
    return try attempt(file.number, mode) ? FileLock(file) : nil
  }

  /// Changes the mode of a lock that is held; false when another holder is in the way. The lock may then be lost.
  func change(to mode: Mode) throws(CacheFailure) -> Bool {
    try Self.attempt(file.number, mode)
  }

  /// Locks an open file.
  static func attempt(_ descriptor: Int32, _ mode: Mode) throws(CacheFailure) -> Bool {
    while flock(descriptor, (mode == .shared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0 {
      if errno == EWOULDBLOCK { return false }
      guard errno == EINTR else { throw CacheFailure(errno: errno, "can't lock a file of the cache") }
    }
    return true
  }
}

/// Marks an open object as being read, for evictors in this and other processes. The mark lasts until every duplicate of
/// the descriptor is closed.
enum ReadMark {
  /// An evictor that looks at the file holds it for microseconds; after so many tries the reader goes without the mark,
  /// which costs only its place in the order of eviction.
  private static let tries = 10

  static func set(on file: Descriptor) throws(CacheFailure) {
    for _ in 0..<tries {
      if try FileLock.attempt(file.number, .shared) { return }
      usleep(1_000)
    }
  }

  /// Whether anybody has the object open for reading.
  static func isSet(on path: String) -> Bool {
    guard let file = try? Descriptor.open(path, O_RDONLY) else { return false }
    return (try? FileLock.attempt(file.number, .exclusive)) == false
  }
}
