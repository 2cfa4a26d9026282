/// Why a tree could not be mounted, said so that a person knows what to do about it.
public enum FuseFailure: Error, Hashable, Sendable {
  case unknownOption(String)
  /// The option contradicts what every mount of a tree is.
  case refusedOption(String)
  case invalidOption(String, reason: String)
  /// `/dev/fuse` does not exist.
  case noDevice
  /// `/dev/fuse` exists and this user may not open it.
  case deviceNotAccessible
  /// `fusermount3`, which mounts for everyone but root, is not installed.
  case helperMissing
  /// `/etc/fuse.conf` does not hold `user_allow_other`.
  case allowOtherForbidden
  case mountpointMissing(String)
  case mountpointNotADirectory(String)
  case mountpointNotEmpty(String)
  /// Something of the same kind is mounted there.
  case alreadyMounted(String)
  /// A mount whose process has died is still there.
  case staleMountpoint(String)
  case permissionDenied(String)
  case mountFailed(String, reason: String)
}

extension FuseFailure: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unknownOption(let name):
      "unknown mount option '\(name)'"
    case .refusedOption(let name):
      "mount option '\(name)' is refused: a mount is always ro,nosuid,nodev,noexec"
    case .invalidOption(let name, let reason):
      "mount option '\(name)': \(reason)"
    case .noDevice:
      "/dev/fuse does not exist: load the kernel module with 'modprobe fuse' (in a container: start it with --device /dev/fuse)"
    case .deviceNotAccessible:
      "/dev/fuse can't be opened by this user: its mode should be 0666 ('ls -l /dev/fuse'), or join the group that owns it"
    case .helperMissing:
      "fusermount3 is not installed: 'apt-get install fuse3'"
    case .allowOtherForbidden:
      "allow_other and allow_root need the line 'user_allow_other' in /etc/fuse.conf"
    case .mountpointMissing(let path):
      "\(path) does not exist: 'mkdir -p' it first"
    case .mountpointNotADirectory(let path):
      "\(path) is not a directory"
    case .mountpointNotEmpty(let path):
      "\(path) is not empty, and a mount would hide what is in it: choose another directory, or say -o nonempty"
    case .alreadyMounted(let path):
      "\(path) is mounted already: 'fusermount3 -u \(path)' unmounts it"
    case .staleMountpoint(let path):
      "\(path) is what a mount has left whose process died (Transport endpoint is not connected): "
        + "'fusermount3 -uz \(path)' clears it"
    case .permissionDenied(let path):
      "no permission to mount on \(path): it must belong to you and be writable"
    case .mountFailed(let path, let reason):
      "can't mount on \(path): \(reason)"
    }
  }
}
