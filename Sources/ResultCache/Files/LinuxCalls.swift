import Glibc

/// System calls that Glibc's Swift module hides (they are declared for _GNU_SOURCE only), found by name in the C library.
enum LinuxCalls {
  private typealias SyncFileSystem = @convention(c) (Int32) -> Int32
  private typealias SyncFileRange = @convention(c) (Int32, Int64, Int64, UInt32) -> Int32

  private static let syncFileSystem: SyncFileSystem? = find("syncfs")
  private static let syncFileRange: SyncFileRange? = find("sync_file_range")

  /// SYNC_FILE_RANGE_WRITE of linux/fs.h: start writing dirty pages, and wait for nothing.
  private static let startWriting: UInt32 = 2

  private static func find<Function>(_ name: String) -> Function? {
    guard let library = dlopen(nil, RTLD_NOW), let symbol = dlsym(library, name) else { return nil }
    return unsafeBitCast(symbol, to: Function.self)
  }

  /// Writes everything on the descriptor's file system to the disk, and reports write errors since Linux 5.8 (syncfs(2)).
  /// - Returns: false where the C library has no such call.
  static func synchronizeFileSystem(of descriptor: Int32) throws(CacheFailure) -> Bool {
    guard let syncFileSystem else { return false }
    guard syncFileSystem(descriptor) == 0 else {
      throw CacheFailure(errno: errno, "can't write cached bytes to the disk")
    }
    return true
  }

  /// Lets the disk begin with these bytes now, so that a later sync finds little left to do. A hint: errors don't matter.
  static func startWriteback(_ descriptor: Int32, from offset: Int64, count: Int64) {
    _ = syncFileRange?(descriptor, offset, count, startWriting)
  }
}
