import CFuse
import FileSystem
import Glibc

/// The user whom every file of a mount belongs to.
struct Owner: Hashable, Sendable {
  let userID: UInt32
  let groupID: UInt32

  /// What programs are told to read in one piece. As large as the kernel's own readahead window by default.
  static let blockSize = 131_072

  func status(_ attributes: Attributes) -> stat {
    var status = stat()
    status.st_ino = ino_t(attributes.inode.value)
    status.st_mode = attributes.kind.mode
    status.st_nlink = nlink_t(attributes.linkCount)
    status.st_uid = userID
    status.st_gid = groupID
    status.st_size = off_t(clamping: attributes.size)
    // stat(2): in units of 512 bytes, whatever the block size.
    status.st_blocks = blkcnt_t(clamping: attributes.size / 512 + (attributes.size % 512 == 0 ? 0 : 1))
    status.st_blksize = blksize_t(Self.blockSize)
    let time = timespec(
      tv_sec: time_t(attributes.modified.seconds), tv_nsec: Int(attributes.modified.nanoseconds))
    status.st_mtim = time
    status.st_ctim = time
    status.st_atim = time
    return status
  }

  func parameters(_ entry: Entry) -> fuse_entry_param {
    var parameters = fuse_entry_param()
    parameters.ino = entry.attributes.inode.value
    parameters.attr = status(entry.attributes)
    parameters.attr_timeout = entry.validity.attributes.inSeconds
    parameters.entry_timeout = entry.validity.entry.inSeconds
    return parameters
  }
}

extension FileKind {
  /// Readable by everyone whom the mount lets in; writable by nobody.
  var mode: mode_t {
    switch self {
    case .directory: Glibc.S_IFDIR | 0o555
    case .regular: Glibc.S_IFREG | 0o444
    case .symbolicLink: Glibc.S_IFLNK | 0o777
    }
  }
}

extension Duration {
  /// As libfuse counts validity.
  var inSeconds: Double {
    Double(components.seconds) + Double(components.attoseconds) / 1e18
  }
}

extension FileSystemStatistics {
  /// Sizes are given in pages, so that the numbers of blocks fit wherever they go.
  private static let unit: UInt64 = 4_096

  var values: statvfs {
    var values = statvfs()
    values.f_bsize = UInt(Self.unit)
    values.f_frsize = UInt(Self.unit)
    let free = fsblkcnt_t(freeBytes / Self.unit)
    values.f_blocks = fsblkcnt_t(usedBytes / Self.unit + (usedBytes % Self.unit == 0 ? 0 : 1)) + free
    values.f_bfree = free
    values.f_bavail = free
    values.f_files = fsfilcnt_t(fileCount)
    // NAME_MAX
    values.f_namemax = 255
    return values
  }
}

extension Caller {
  init(_ request: OpaquePointer) {
    guard let context = fuse_req_ctx(request)?.pointee else {
      // libfuse keeps the context inside the request; nobody, should that ever change.
      self.init(userID: .max, groupID: .max, processID: 0)
      return
    }
    self.init(userID: context.uid, groupID: context.gid, processID: context.pid)
  }
}
