import Glibc
import Tasks

/// Raw bytes kept on disk, in a file without a name that is gone with the process.
final class SpoolFile {
  private let descriptor: Int32
  private let limit: Int
  private(set) var length = 0

  /// - Throws: `.io` when the file can't be made.
  init(directory: String, limits: ArchiveLimits) throws(ArchiveFailure) {
    // Not all filesystems know O_TMPFILE; a name that is removed at once comes to the same. mkstemp can't keep the file from programs
    // that another thread starts at this moment.
    let path = directory + "/.spool-" + String(UInt64.random(in: .min ... .max), radix: 16)
    descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw ArchiveFailure(.io, "can't make a file in \(directory): \(Self.text(errno))")
    }
    unlink(path)
    limit = limits.spoolSize.map { Int($0.bytes) } ?? .max
  }

  deinit {
    close(descriptor)
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(ArchiveFailure) {
    guard bytes.count <= limit - length else {
      throw ArchiveFailure(.limitExceeded, "more than \(limit) bytes would have to be kept aside")
    }
    var rest = bytes
    while !rest.isEmpty {
      let written = pwrite(descriptor, rest.baseAddress, rest.count, length)
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { throw ArchiveFailure(.io, "can't keep bytes aside: \(Self.text(errno))") }
      length += written
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
  }

  /// Forgets everything, so that the file can be used again.
  func clear() throws(ArchiveFailure) {
    guard ftruncate(descriptor, 0) == 0 else {
      throw ArchiveFailure(.io, "can't empty the spool: \(Self.text(errno))")
    }
    length = 0
  }

  /// Fills the buffer from `offset` on; fewer bytes come only at the end.
  func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveFailure) -> Int {
    guard offset < UInt64(length) else { return 0 }
    var filled = 0
    while filled < buffer.count {
      let count = pread(
        descriptor, buffer.baseAddress?.advanced(by: filled), buffer.count - filled, Int(offset) + filled)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw ArchiveFailure(.io, "can't read what was kept aside: \(Self.text(errno))") }
      if count == 0 { break }
      filled += count
    }
    return filled
  }

  private static func text(_ error: Int32) -> String { String(cString: strerror(error)) }
}
