import Budget
import FileSystem
import Glibc
import Providers
import TaskTree
import Tasks

/// One thing that `doctor` looked at.
struct Check: Hashable, Sendable, Encodable {
  enum Result: String, Hashable, Sendable, Encodable {
    case ok, warning, failed
  }

  let what: String
  let result: Result
  let finding: String
  /// What to do about it; nil when all is well.
  let mend: String?

  static func ok(_ what: String, _ finding: String) -> Check {
    Check(what: what, result: .ok, finding: finding, mend: nil)
  }

  static func warning(_ what: String, _ finding: String, _ mend: String) -> Check {
    Check(what: what, result: .warning, finding: finding, mend: mend)
  }

  static func failed(_ what: String, _ finding: String, _ mend: String) -> Check {
    Check(what: what, result: .failed, finding: finding, mend: mend)
  }
}

/// What the machine needs for a mount. Everything here blocks, and none of it touches a mount.
enum MachineCheckup {
  static func device() -> Check {
    let descriptor = open("/dev/fuse", O_RDWR | O_CLOEXEC)
    if descriptor >= 0 {
      close(descriptor)
      return .ok("/dev/fuse", "can be opened")
    }
    switch errno {
    case ENOENT, ENODEV, ENXIO:
      return .failed(
        "/dev/fuse", "is not there",
        "load the kernel module: sudo modprobe fuse; in a container: start it with --device /dev/fuse --cap-add SYS_ADMIN"
      )
    default:
      return .failed(
        "/dev/fuse", String(cString: strerror(errno)),
        "let this user open it: sudo chmod 666 /dev/fuse; in a container: start it with --device /dev/fuse")
    }
  }

  static func helper(searching path: String) -> Check {
    let candidates: [String] = path.split(separator: ":").map { "\($0)/fusermount3" }
    let found = candidates.first { access($0, X_OK) == 0 }
    guard let found else {
      let mend = "install it: sudo apt-get install fuse3"
      return geteuid() == 0
        ? .warning("fusermount3", "is not installed; only root can mount without it", mend)
        : .failed("fusermount3", "is not installed", mend)
    }
    var status = stat()
    let isPrivileged = stat(found, &status) == 0 && status.st_uid == 0 && status.st_mode & Glibc.S_ISUID != 0
    guard isPrivileged || geteuid() == 0 else {
      return .failed("fusermount3", "\(found) is not set-user-ID root", "restore it: sudo chmod u+s \(found)")
    }
    return .ok("fusermount3", found)
  }

  static func mountpoint(_ path: String, stateDirectory: String) -> Check {
    if let mount = MountInfo.current().top(at: path) {
      guard mount.type == MountInfo.ownType else {
        return .failed("mountpoint", "\(path) holds another file system (\(mount.type))", "choose another directory")
      }
      // A live process of this configuration holds its record.
      guard MountRecord.waitForEnd(stateDirectory: stateDirectory, mountpoint: path, deadline: .now) else {
        return .ok("mountpoint", "\(path) is mounted")
      }
      return .warning(
        "mountpoint", "\(path) is mounted, but by no process that uses this state directory; it may have died",
        "tollfs unmount \(path)")
    }
    var status = stat()
    guard stat(path, &status) == 0 else {
      return .failed("mountpoint", "\(path): \(String(cString: strerror(errno)))", "make it: mkdir -p \(path)")
    }
    guard status.st_mode & Glibc.S_IFMT == Glibc.S_IFDIR else {
      return .failed("mountpoint", "\(path) is not a directory", "choose another one")
    }
    guard ProcFile.entries(of: path).isEmpty else {
      return .failed("mountpoint", "\(path) is not empty", "choose an empty directory, or mount with -o nonempty")
    }
    guard access(path, W_OK) == 0 else {
      return .failed("mountpoint", "\(path) is not writable by you", "choose a directory of your own")
    }
    return .ok("mountpoint", path)
  }

  /// - Parameter reserve: what shall stay free on the disk.
  static func directory(_ what: String, _ path: String, reserve: ByteCount) -> Check {
    do throws(ProcessFailure) {
      try PrivateDirectory.make(path)
    } catch {
      return .failed(what, "\(error)", "name another one in the configuration (\(what))")
    }
    guard access(path, W_OK | X_OK) == 0 else {
      return .failed(what, "\(path) is not writable by you", "sudo chown $USER \(path)")
    }
    var status = statvfs()
    guard statvfs(path, &status) == 0 else {
      return .failed(what, "\(path): \(String(cString: strerror(errno)))", "mend the disk")
    }
    let free = ByteCount(Int64(clamping: UInt64(status.f_bavail) &* UInt64(status.f_frsize)))
    guard free > reserve else {
      return .warning(
        what, "\(path): \(free.formatted) free, and \(reserve.formatted) must stay free",
        "make room, or lower cache.min_free")
    }
    return .ok(what, "\(path), \(free.formatted) free")
  }
}

/// Keys and APIs.
enum SourceCheckup {
  /// An id that no provider gives out: asking for it shows whether the API can be reached and takes the key, and costs nothing.
  private static let unknownTask = "tollfs-doctor"

  static func key(of source: SourceConfiguration) async -> Check {
    let what = "\(source.name): API key"
    do throws(SourceFailure) {
      _ = try await source.key.provider.key()
      return .ok(what, "found in \(source.key.description)")
    } catch {
      return .failed(
        what, error.reason, "set it, or say elsewhere in the configuration where it is (api_key_env, api_key_file)")
    }
  }

  static func reachability(of source: SourceConfiguration, _ engine: TaskEngine) async -> Check {
    let what = "\(source.name): API"
    guard let task = source.tasks.first ?? TaskPath(source: source.name, ids: [unknownTask]) else {
      return .failed(what, "can't be asked", "")
    }
    do throws(FileSystemFailure) {
      let report = try await engine.status(of: task)
      if report.isStale { return .failed(what, "\(source.endpoint) can't be reached", "check the network") }
      return .ok(what, "\(source.endpoint) answers and takes the key")
    } catch {
      switch error.kind {
      case .notFound: return .ok(what, "\(source.endpoint) answers and takes the key")
      case .accessDenied: return .failed(what, error.reason, "check the key")
      default: return .failed(what, error.reason, "check the network, a proxy or firewall, and `endpoint`")
      }
    }
  }

  static func budget(_ configuration: Configuration) -> Check {
    if configuration.budget != nil { return .ok("budget", "is set") }
    guard configuration.sources.contains(where: { !$0.price.isFree }) else { return .ok("budget", "is not needed") }
    return .warning(
      "budget", "is not set, so nothing billed is ever opened",
      "add to the configuration, for example: budget: {daily: 1.00}")
  }
}
