import Glibc

/// Space on the disk that is kept for the index: a file of zeroes that is given up when the disk is full, so that an eviction,
/// which is what a full disk needs most, can be written down, and listings can be read. It is made again when there is space.
struct IndexReserve: Sendable {
  /// 250 pages of SQLite's log; a transaction of the index changes a few dozen at most, but for the end of a large download.
  private static let size: Int64 = 1 << 20
  /// Given up at a time: somebody who fills the disk must not get all of it at once.
  private static let step: Int64 = 128 << 10
  /// Where so much is free the disk is not full.
  private static let enough: Int64 = 128 << 10

  let path: String
  let directory: String

  /// Gives some of the space up.
  /// - Returns: whether there was any, so that it is worth another try.
  func release() -> Bool {
    var status = stat()
    guard stat(path, &status) == 0, status.st_size > 0 else { return false }
    return truncate(path, off_t(max(0, Int64(status.st_size) - Self.step))) == 0
  }

  /// Whether the disk is full, as far as SQLite's own errors don't say it: its shared memory and its log fail in other words.
  var isDiskFull: Bool {
    var status = statvfs()
    guard statvfs(directory, &status) == 0 else { return false }
    return Int64(clamping: UInt64(status.f_bavail)) < Self.enough / Int64(max(1, status.f_frsize))
  }

  /// Makes it again when it was given up.
  /// - Parameter free: bytes on the disk.
  func fill(free: Int64) {
    // Several times its size: what is nearly full fills up the moment that it is taken.
    guard free > 4 * Self.size else { return }
    var status = stat()
    if stat(path, &status) == 0, Int64(status.st_blocks) * 512 >= Self.size { return }
    guard let file = try? Descriptor.open(path, O_WRONLY | O_CREAT) else { return }
    // In part it is of no use.
    if posix_fallocate(file.number, 0, off_t(Self.size)) != 0 { ftruncate(file.number, 0) }
  }
}
