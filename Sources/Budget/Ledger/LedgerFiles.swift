import Foundation

/// Which file a path leads to.
struct FileIdentity: Sendable, Hashable {
  let device: UInt64
  let inode: UInt64

  /// nil, with errno set, when there is none.
  init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
  }
}

/// The files of a ledger in its state directory. Everything here blocks.
///
/// `ledger.sqlite` itself is never opened here: closing any descriptor of a file drops all POSIX locks that this process has
/// on it (fcntl(2)), those of SQLite included.
struct LedgerFiles: Sendable {
  let directory: String
  var ledger: String { directory + "/ledger.sqlite" }
  var draft: String { directory + "/ledger.sqlite.new" }
  private var lockFile: String { directory + "/ledger.lock" }

  /// Makes the directory and those above it, for this user alone.
  func makeDirectory() throws(BudgetFailure) {
    var path = directory.hasPrefix("/") ? "" : "."
    for component in directory.split(separator: "/") {
      path += "/" + component
      guard mkdir(path, 0o700) != 0 else { continue }
      let reason = errno
      var status = stat()
      // Some filesystems refuse mkdir (EROFS, EACCES) before they say that the directory is there.
      let isDirectory = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
      guard isDirectory else {
        throw LedgerFault.system(path, "the state directory can't be made", reason == EEXIST ? ENOTDIR : reason)
      }
    }
  }

  /// Whether there is a ledger to open.
  /// - Throws: when there is what can only be the remains of one.
  func isThere() throws(BudgetFailure) -> Bool {
    if let size = try size(of: ledger) {
      guard size > 0 else { throw LedgerFault.damaged(ledger, "the ledger is empty: it") }
      return true
    }
    // SQLite removes the log when the last process closes the ledger; a log alone means that the rest was taken away.
    if let size = try size(of: ledger + "-wal"), size > 0 {
      throw LedgerFault.damaged(ledger, "the ledger's log is here without the ledger, which")
    }
    return false
  }

  private func size(of path: String) throws(BudgetFailure) -> Int64? {
    var status = stat()
    if stat(path, &status) == 0 { return Int64(status.st_size) }
    guard errno == ENOENT else { throw LedgerFault.system(path, "can't be examined", errno) }
    return nil
  }

  /// An empty file for this user alone. SQLite gives its own files beside it the same mode.
  func createDraft() throws(BudgetFailure) {
    for suffix in ["", "-journal", "-wal", "-shm"] { _ = unlink(draft + suffix) }
    let descriptor = open(draft, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw LedgerFault.system(draft, "the ledger can't be made", errno) }
    _ = close(descriptor)
  }

  /// Gives the finished draft, which SQLite has put on the disk, its name.
  func publishDraft() throws(BudgetFailure) {
    guard rename(draft, ledger) == 0 else { throw LedgerFault.system(ledger, "the ledger can't be made", errno) }
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw LedgerFault.system(directory, "can't be opened", errno) }
    defer { _ = close(descriptor) }
    guard fsync(descriptor) == 0 else { throw LedgerFault.system(directory, "can't be synced", errno) }
  }

  /// Keeps other processes from opening the ledger; waits for them, but not for ever.
  func lock() throws(BudgetFailure) -> FileLock {
    let descriptor = open(lockFile, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw LedgerFault.system(lockFile, "can't be opened", errno) }
    let deadline = ContinuousClock.now + .seconds(LedgerStore.patience)
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      let reason = errno
      guard reason == EWOULDBLOCK || reason == EINTR, ContinuousClock.now < deadline else {
        _ = close(descriptor)
        throw LedgerFault.system(lockFile, "another process keeps the ledger locked", reason)
      }
      // 5 ms: opening takes a few times that.
      usleep(5_000)
    }
    return FileLock(descriptor: descriptor)
  }
}

/// A lock that the kernel takes back when its process ends, however it ends.
struct FileLock: Sendable {
  fileprivate let descriptor: Int32

  func release() {
    _ = close(descriptor)
  }
}
