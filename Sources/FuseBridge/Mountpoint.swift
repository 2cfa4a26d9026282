import Glibc

/// The directory that a tree is mounted on.
struct Mountpoint: Sendable {
  /// Absolute and without symbolic links, as the mount table names it.
  let path: String

  /// Looks at a directory that is to be mounted on.
  /// - Throws: where mounting there would fail, or would hide something.
  init(checking path: String, options: MountOptions) throws(FuseFailure) {
    guard let resolved = realpath(path, nil) else { throw Self.failure(errno, at: path) }
    defer { free(resolved) }
    self.path = String(cString: resolved)
    var status = stat()
    // A mount whose process died answers ENOTCONN to this.
    guard stat(self.path, &status) == 0 else { throw Self.failure(errno, at: path) }
    if let mount = MountTable.current().top(at: self.path), mount.type == "fuse." + options.subtype {
      throw .alreadyMounted(path)
    }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw .mountpointNotADirectory(path) }
    // fusermount3 refuses it, too, but says so to the terminal only.
    guard geteuid() == 0 || access(self.path, W_OK) == 0 else { throw .permissionDenied(path) }
    if !options.allowsNonEmpty, try Self.hasEntries(self.path) { throw .mountpointNotEmpty(path) }
    try Self.checkDevice()
  }

  private static func failure(_ errno: Int32, at path: String) -> FuseFailure {
    switch errno {
    case ENOENT: .mountpointMissing(path)
    case ENOTDIR: .mountpointNotADirectory(path)
    case ENOTCONN, ECONNABORTED: .staleMountpoint(path)
    case EACCES, EPERM: .permissionDenied(path)
    default: .mountFailed(path, reason: errorText(errno))
    }
  }

  private static func hasEntries(_ path: String) throws(FuseFailure) -> Bool {
    guard let directory = opendir(path) else { throw failure(errno, at: path) }
    defer { closedir(directory) }
    // `.` and `..`, in whatever order, and anything at all.
    var count = 0
    while count < 3, readdir(directory) != nil { count += 1 }
    return count == 3
  }

  private static func checkDevice() throws(FuseFailure) {
    guard access("/dev/fuse", F_OK) == 0 else { throw .noDevice }
    guard access("/dev/fuse", R_OK | W_OK) == 0 else { throw .deviceNotAccessible }
    guard geteuid() == 0 || Helper.isInstalled else { throw .helperMissing }
  }

  /// The device number of what is mounted here now.
  var device: String? {
    MountTable.current().top(at: path)?.device
  }

  enum UnmountResult {
    case unmounted, busy
  }

  /// Unmounts the filesystem with this device number, and only that one: in the meantime something else may have been
  /// mounted here. Blocks, as long as the kernel or `fusermount3` take.
  /// - Parameter lazily: takes it out of sight at once, though programs still use it.
  func unmount(device: String, lazily: Bool) -> UnmountResult {
    guard self.device == device else { return .unmounted }
    if geteuid() == 0 {
      let flags = CInt(UMOUNT_NOFOLLOW) | (lazily ? CInt(MNT_DETACH) : 0)
      return umount2(path, flags) == 0 || errno == EINVAL ? .unmounted : .busy
    }
    return Helper.run([lazily ? "-uzq" : "-uq", "--", path]) == 0 ? .unmounted : .busy
  }
}

/// `fusermount3`, which is set-user-ID root and mounts and unmounts for everyone else.
enum Helper {
  static let name = "fusermount3"

  static var isInstalled: Bool {
    let path = getenv("PATH").map { String(cString: $0) } ?? ""
    // Debian and Ubuntu have it in /usr/bin, which libfuse tries first whatever PATH says.
    return (["/usr/bin", "/bin"] + path.split(separator: ":").map(String.init)).contains {
      access($0 + "/" + name, X_OK) == 0
    }
  }

  /// Returns its exit status, or nil where it could not be run.
  static func run(_ arguments: [String]) -> Int32? {
    var words: [UnsafeMutablePointer<CChar>?] = ([name] + arguments).map { strdup($0) }
    defer { words.forEach { free($0) } }
    words.append(nil)
    var processID: pid_t = 0
    guard posix_spawnp(&processID, name, nil, nil, words, environ) == 0 else { return nil }
    var status: Int32 = 0
    while waitpid(processID, &status, 0) < 0 {
      if errno != EINTR { return nil }
    }
    return status & 0x7f == 0 ? (status >> 8) & 0xff : nil
  }
}

/// What the C library says of an errno.
func errorText(_ errno: Int32) -> String {
  String(cString: strerror(errno))
}
