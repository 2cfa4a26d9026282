import Glibc

/// An open file, closed when its last owner lets go of it.
final class Descriptor: Sendable {
  let number: Int32

  /// Takes over an open descriptor.
  init(owning number: Int32) {
    self.number = number
  }

  /// - Throws: `.notFound` when there is no such file, `.noSpace` when the disk is full, else `.io`.
  static func open(_ path: String, _ flags: Int32, mode: mode_t = 0o600) throws(CacheFailure) -> Descriptor {
    let number = Glibc.open(path, flags | O_CLOEXEC, mode)
    guard number >= 0 else {
      // A file that is made when it is not there can only be missing its directory.
      if errno == ENOENT, flags & O_CREAT != 0 {
        throw CacheFailure(.io, "can't make \(path): the cache's directory has been removed; unmount and mount again")
      }
      throw CacheFailure(errno: errno, "can't open \(path)")
    }
    return Descriptor(owning: number)
  }

  /// A new descriptor on the same open file: it shares the file's lock, and the caller closes it.
  func duplicate() throws(CacheFailure) -> Int32 {
    let copy = fcntl(number, F_DUPFD_CLOEXEC, 0)
    guard copy >= 0 else { throw CacheFailure(errno: errno, "can't duplicate a file descriptor") }
    return copy
  }

  func stamp() throws(CacheFailure) -> ObjectStamp {
    var status = stat()
    guard fstat(number, &status) == 0 else { throw CacheFailure(errno: errno, "can't look at a cached file") }
    return ObjectStamp(status)
  }

  /// Returns once the file's bytes are on the disk.
  func synchronize() throws(CacheFailure) {
    guard fdatasync(number) == 0 else { throw CacheFailure(errno: errno, "can't write cached bytes to the disk") }
  }

  deinit {
    close(number)
  }
}

/// What tells that a file is still the one that was looked at: any write, truncation or replacement changes one of these.
struct ObjectStamp: Hashable, Sendable {
  let inode: Int64
  let size: Int64
  /// The inode's change time, in nanoseconds since 1970; no program can set it back.
  let changed: Int64

  init(inode: Int64, size: Int64, changed: Int64) {
    self.inode = inode
    self.size = size
    self.changed = changed
  }

  init(_ status: stat) {
    inode = Int64(bitPattern: UInt64(status.st_ino))
    size = Int64(status.st_size)
    changed = Int64(status.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_ctim.tv_nsec)
  }
}

extension CacheFailure {
  init(errno code: Int32, _ what: String) {
    let kind: Kind =
      switch code {
      case ENOENT: .notFound
      case ENOSPC, EDQUOT: .noSpace
      default: .io
      }
    self.init(kind, "\(what): \(String(cString: strerror(code)))")
  }
}
