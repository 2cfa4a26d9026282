import CFuse
import FileSystem
import Glibc
import Logging

/// A tree mounted in the kernel.
///
/// Locks: each of the parts below has one of its own, and none is held while another is taken, while the tree is called
/// or while the kernel is told something.
public final class FuseSession: Sendable {
  private let core: SessionCore

  /// Mounts. Programs that use the mount wait until ``run()`` answers them.
  ///
  /// Blocks while it looks at the mountpoint and while the kernel, or `fusermount3`, mounts.
  /// - Parameters:
  ///   - mountpoint: an existing directory, empty unless the options say otherwise.
  ///   - logger: gets what goes wrong, and libfuse's own messages; silent at info and above while all is well.
  public init(
    mounting fileSystem: any FileSystem, at mountpoint: String, options: MountOptions, logger: Logger
  ) throws(FuseFailure) {
    LibraryLog.send(to: logger)
    let place = try Mountpoint(checking: mountpoint, options: options)
    let connection = try Connection(fileSystem: fileSystem, options: options, logger: logger)
    guard fuse_session_mount(connection.session, place.path) == 0 else {
      throw Self.failure(at: mountpoint, options: options)
    }
    core = SessionCore(connection: connection, place: MountedPlace(mountpoint: place))
  }

  /// A session that talks to something other than a kernel, over a descriptor that it takes over.
  init(
    serving fileSystem: any FileSystem, over descriptor: Int32, logger: Logger,
    operations: fuse_lowlevel_ops = Operations.table()
  ) throws(FuseFailure) {
    LibraryLog.send(to: logger)
    let connection = try Connection(
      fileSystem: fileSystem, options: MountOptions(), logger: logger, operations: operations)
    var transport = fuse_custom_io()
    transport.writev = { descriptor, parts, count, _ in Glibc.writev(descriptor, parts, count) }
    transport.read = { descriptor, buffer, size, _ in Glibc.read(descriptor, buffer, size) }
    let status = tollfs_session_custom_io(connection.session, &transport, descriptor)
    guard status == 0 else { throw .mountFailed("descriptor \(descriptor)", reason: errorText(-status)) }
    core = SessionCore(connection: connection, place: nil)
  }

  deinit {
    core.stop(drainingUntil: .now)
  }

  /// How the tree tells the kernel to drop what it keeps. Does nothing once the session has ended.
  public var kernelCache: any KernelCache { core.notifier }

  /// Answers requests until the mount is gone: unmounted by somebody, or through ``stop(drainingFor:)``.
  public func run() async {
    core.start()
    await withCheckedContinuation { core.resumeAtEnd($0) }
  }

  /// Ends the session cleanly and returns at once: new requests get ENOTCONN, those in flight have the given time to be
  /// answered and are cancelled then; the mount is taken away, out of sight at least where a program still uses it; and
  /// ``run()`` returns. Called again, the shorter time holds.
  public func stop(drainingFor duration: Duration) {
    core.stop(drainingUntil: .now + duration)
  }

  private static func failure(at path: String, options: MountOptions) -> FuseFailure {
    let reason = LibraryLog.lastMessage
    if geteuid() != 0, options.audience != .owner,
      readText(ofFile: "/etc/fuse.conf")?.split(whereSeparator: \.isWhitespace).contains("user_allow_other") != true
    {
      return .allowOtherForbidden
    }
    if reason.contains("Permission denied") || reason.contains("Operation not permitted") {
      return .permissionDenied(path)
    }
    return .mountFailed(path, reason: reason.isEmpty ? "fusermount3 refused; its message is above" : reason)
  }
}
