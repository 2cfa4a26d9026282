import CFuse
import FileSystem
import Glibc

/// What libfuse calls for each kind of request: every function copies its arguments into values and starts the Swift task
/// that answers. A C function can't capture: the connection comes from the request.
enum Operations {
  static func table() -> fuse_lowlevel_ops {
    var table = fuse_lowlevel_ops()
    table.`init` = { userdata, connection in
      guard let connection else { return }
      Operations.negotiate(&connection.pointee, maxRead: Connection.of(userdata: userdata).maxRead)
    }
    addNames(to: &table)
    addFiles(to: &table)
    addDirectories(to: &table)
    addExtendedAttributes(to: &table)
    addRefusals(to: &table)
    return table
  }

  /// Starts the Swift task that answers a request.
  static func answer(
    _ request: OpaquePointer?, _ operation: StaticString,
    _ body: @escaping @Sendable (any FileSystem, Caller, consuming Reply) async -> Void
  ) {
    guard let request else { return }
    let connection = Connection.of(request)
    let caller = Caller(request)
    guard let inFlight = connection.admit(operation) else {
      fuse_reply_err(request, ENOTCONN)
      return
    }
    let token = RequestToken(request, inFlight)
    let fileSystem = connection.fileSystem
    inFlight.attach(Task { await body(fileSystem, caller, Reply(token)) })
  }

  /// What the kernel offers and this bridge wants.
  static func negotiate(_ connection: inout fuse_conn_info, maxRead: UInt32?) {
    let wanted =
      FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ASYNC_DIO | FUSE_CAP_READDIRPLUS
      | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_AUTO_INVAL_DATA
    // Nothing is written here; and a request that comes through a pipe costs more than one that is read.
    let unwanted = FUSE_CAP_POSIX_ACL | FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_SPLICE_READ
    connection.want = (connection.want | (UInt32(wanted) & connection.capable)) & ~UInt32(unwanted)
    // libfuse insists on hearing the same number here and as a mount option; 0 is no limit.
    connection.max_read = maxRead ?? 0
  }

  // MARK: Names

  private static func addNames(to table: inout fuse_lowlevel_ops) {
    table.lookup = { request, parent, name in
      let length = name.map { strlen($0) } ?? 0
      let known = name.flatMap { pointer in
        pointer.withMemoryRebound(to: UInt8.self, capacity: length) {
          FileName(bytes: UnsafeBufferPointer(start: $0, count: length))
        }
      }
      Operations.answer(request, "lookup") { fileSystem, caller, reply in
        // NAME_MAX. The kernel itself lets up to 1024 bytes pass (FUSE_NAME_MAX).
        guard length <= 255 else { return reply.fail(errno: ENAMETOOLONG) }
        guard let known else { return reply.fail(errno: ENOENT) }
        await Operations.lookUp(known, in: InodeNumber(parent), fileSystem, caller, reply)
      }
    }
    table.forget = { request, inode, count in
      guard let request else { return }
      Connection.of(request).fileSystem.forget(InodeNumber(inode), lookups: count)
      fuse_reply_none(request)
    }
    table.forget_multi = { request, count, forgotten in
      guard let request else { return }
      let fileSystem = Connection.of(request).fileSystem
      for one in UnsafeBufferPointer(start: forgotten, count: count) {
        fileSystem.forget(InodeNumber(one.ino), lookups: one.nlookup)
      }
      fuse_reply_none(request)
    }
    table.getattr = { request, inode, _ in
      Operations.answer(request, "getattr") { fileSystem, caller, reply in
        do throws(FileSystemFailure) {
          let known = try await fileSystem.attributes(of: InodeNumber(inode), for: caller)
          reply.attributes(known)
        } catch {
          reply.fail(error)
        }
      }
    }
    table.readlink = { request, inode in
      Operations.answer(request, "readlink") { fileSystem, caller, reply in
        do throws(FileSystemFailure) {
          let target = try await fileSystem.symbolicLink(InodeNumber(inode), for: caller)
          reply.link(target)
        } catch {
          reply.fail(error)
        }
      }
    }
    table.statfs = { request, _ in
      Operations.answer(request, "statfs") { fileSystem, _, reply in
        reply.statistics(fileSystem.statistics())
      }
    }
  }

  private static func lookUp(
    _ name: FileName, in parent: InodeNumber, _ fileSystem: any FileSystem, _ caller: Caller, _ reply: consuming Reply
  ) async {
    do throws(FileSystemFailure) {
      switch try await fileSystem.lookup(name, in: parent, for: caller) {
      case .absent(let duration): reply.absent(rememberFor: duration)
      case .found(let entry):
        // The tree has counted a reference that the kernel knows nothing of where the answer did not arrive.
        if !reply.entry(entry) { fileSystem.forget(entry.attributes.inode, lookups: 1) }
      }
    } catch {
      reply.fail(error)
    }
  }

  // MARK: Writing

  /// The mount is read-only, so the kernel refuses all of these by itself. Should one come through all the same, it gets
  /// the same answer: left out, it would be "not implemented".
  private static func addRefusals(to table: inout fuse_lowlevel_ops) {
    table.setattr = { request, _, _, _, _ in fuse_reply_err(request, EROFS) }
    table.mknod = { request, _, _, _, _ in fuse_reply_err(request, EROFS) }
    table.mkdir = { request, _, _, _ in fuse_reply_err(request, EROFS) }
    table.unlink = { request, _, _ in fuse_reply_err(request, EROFS) }
    table.rmdir = { request, _, _ in fuse_reply_err(request, EROFS) }
    table.symlink = { request, _, _, _ in fuse_reply_err(request, EROFS) }
    table.rename = { request, _, _, _, _, _ in fuse_reply_err(request, EROFS) }
    table.link = { request, _, _, _ in fuse_reply_err(request, EROFS) }
    table.write = { request, _, _, _, _, _ in fuse_reply_err(request, EROFS) }
    table.setxattr = { request, _, _, _, _, _ in fuse_reply_err(request, EROFS) }
    table.removexattr = { request, _, _ in fuse_reply_err(request, EROFS) }
    table.create = { request, _, _, _, _ in fuse_reply_err(request, EROFS) }
    table.fallocate = { request, _, _, _, _, _ in fuse_reply_err(request, EROFS) }
  }
}
