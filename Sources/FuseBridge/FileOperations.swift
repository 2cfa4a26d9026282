import CFuse
import FileSystem
import Glibc

extension Operations {
  static func addFiles(to table: inout fuse_lowlevel_ops) {
    table.open = { request, inode, information in
      let flags = information?.pointee.flags ?? 0
      Operations.answer(request, "open") { fileSystem, caller, reply in
        guard flags & O_ACCMODE == O_RDONLY, flags & O_TRUNC == 0 else { return reply.fail(errno: EROFS) }
        await Operations.open(InodeNumber(inode), flags: flags, fileSystem, caller, reply)
      }
    }
    table.read = { request, _, size, offset, information in
      let handle = HandleNumber(information?.pointee.fh ?? 0)
      Operations.answer(request, "read") { fileSystem, caller, reply in
        do throws(FileSystemFailure) {
          let result = try await fileSystem.read(handle, at: UInt64(offset), count: size, for: caller)
          reply.read(result, atMost: size)
        } catch {
          reply.fail(error)
        }
      }
    }
    table.release = { request, _, information in
      guard let request else { return }
      Connection.of(request).fileSystem.release(HandleNumber(information?.pointee.fh ?? 0))
      fuse_reply_err(request, 0)
    }
  }

  private static func open(
    _ inode: InodeNumber, flags: Int32, _ fileSystem: any FileSystem, _ caller: Caller, _ reply: consuming Reply
  ) async {
    do throws(FileSystemFailure) {
      let file = try await fileSystem.open(inode, for: caller)
      var information = fuse_file_info()
      information.flags = flags
      information.fh = file.handle.value
      switch file.caching {
      case .none: information.direct_io = 1
      case .keep: information.keep_cache = 1
      case .renew: break
      }
      // Where the opener is gone the kernel never tells of a release.
      if !reply.opened(information) { fileSystem.release(file.handle) }
    } catch {
      reply.fail(error)
    }
  }
}

extension Reply {
  consuming func read(_ result: ReadResult, atMost size: Int) {
    switch result {
    case .bytes(let bytes):
      // The kernel refuses an answer that is longer than its question.
      self.bytes(bytes, atMost: size)
    case .range(let file, let offset, let count):
      guard count > 0 else {
        bytes([])
        return
      }
      let ranges = connection.ranges
      ranges.answer(self, from: file, offset: offset, count: min(count, size))
    }
  }
}
