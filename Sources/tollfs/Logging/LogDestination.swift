import Glibc
import Synchronization

/// Where lines of the log go.
///
/// Lock order: a leaf. Writing a line to a local file is the one blocking call made from wherever something is logged:
/// it takes microseconds, and a log that is written later is not there when it is needed.
final class LogDestination: Sendable {
  /// After this many bytes a new file is begun: two of them hold weeks of a quiet mount and fit anywhere.
  static let standardLimit = 8 << 20

  /// nil: standard error.
  private let path: String?
  private let limit: Int
  private let descriptor: Mutex<Int32>

  /// Standard error.
  init() {
    path = nil
    limit = .max
    descriptor = Mutex(STDERR_FILENO)
  }

  /// A file (mode 0600) that is appended to. When it has grown to `limit` bytes it is renamed to `PATH.1`, in place of
  /// the one that had that name.
  /// - Throws: when the file can't be made.
  init(appendingTo path: String, limit: Int = standardLimit) throws(ProcessFailure) {
    guard let file = Self.openFile(path) else { throw ProcessFailure("can't write the log \(path)", errno) }
    self.path = path
    self.limit = limit
    descriptor = Mutex(file)
  }

  deinit {
    descriptor.withLock { descriptor in
      if path != nil { close(descriptor) }
    }
  }

  func write(_ line: String) {
    descriptor.withLock { descriptor in
      if let path { Self.makeRoom(for: line.utf8.count, limit, at: path, &descriptor) }
      Self.write(line, to: descriptor)
    }
  }

  /// Makes the log the place for whatever this process and its children say on standard error from now on.
  func takeOverStandardError() {
    descriptor.withLock { descriptor in
      if path != nil { dup2(descriptor, STDERR_FILENO) }
    }
  }

  private static func write(_ line: String, to descriptor: Int32) {
    var line = line
    line.withUTF8 { bytes in
      var written = 0
      while written < bytes.count {
        let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
        if count < 0, errno == EINTR { continue }
        // A full disk or a closed terminal: there is nobody left to tell.
        if count <= 0 { break }
        written += count
      }
    }
  }

  /// Moves a full file aside; follows another process that shares this log and has moved it already.
  private static func makeRoom(for count: Int, _ limit: Int, at path: String, _ descriptor: inout Int32) {
    var ours = stat()
    var there = stat()
    let isStillThere =
      fstat(descriptor, &ours) == 0 && lstat(path, &there) == 0 && ours.st_ino == there.st_ino
      && ours.st_dev == there.st_dev
    if isStillThere {
      guard Int(ours.st_size) + count > limit, ours.st_size > 0 else { return }
      rename(path, path + ".1")
    }
    // Better a log in the wrong place than none.
    guard let next = openFile(path) else { return }
    close(descriptor)
    descriptor = next
  }

  private static func openFile(_ path: String) -> Int32? {
    let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    return descriptor >= 0 ? descriptor : nil
  }
}
