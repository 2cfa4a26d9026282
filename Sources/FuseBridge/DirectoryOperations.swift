import CFuse
import FileSystem

extension Operations {
  static func addDirectories(to table: inout fuse_lowlevel_ops) {
    table.opendir = { request, inode, information in
      let flags = information?.pointee.flags ?? 0
      Operations.answer(request, "opendir") { fileSystem, caller, reply in
        do throws(FileSystemFailure) {
          let directory = try await fileSystem.openDirectory(InodeNumber(inode), for: caller)
          var information = fuse_file_info()
          information.flags = flags
          information.fh = directory.handle.value
          if directory.isImmutable {
            information.cache_readdir = 1
            information.keep_cache = 1
          }
          if !reply.opened(information) { fileSystem.releaseDirectory(directory.handle) }
        } catch {
          reply.fail(error)
        }
      }
    }
    table.readdir = { request, _, size, offset, information in
      let handle = HandleNumber(information?.pointee.fh ?? 0)
      Operations.answer(request, "readdir") { fileSystem, caller, reply in
        await Operations.list(
          handle, after: UInt64(bitPattern: Int64(offset)), room: size, .names, fileSystem, caller, reply)
      }
    }
    table.readdirplus = { request, _, size, offset, information in
      let handle = HandleNumber(information?.pointee.fh ?? 0)
      Operations.answer(request, "readdirplus") { fileSystem, caller, reply in
        await Operations.list(
          handle, after: UInt64(bitPattern: Int64(offset)), room: size, .entries, fileSystem, caller, reply)
      }
    }
    table.releasedir = { request, _, information in
      guard let request else { return }
      Connection.of(request).fileSystem.releaseDirectory(HandleNumber(information?.pointee.fh ?? 0))
      fuse_reply_err(request, 0)
    }
  }

  private static func list(
    _ handle: HandleNumber, after cookie: UInt64, room: Int, _ style: DirectoryPage.Style,
    _ fileSystem: any FileSystem, _ caller: Caller, _ reply: consuming Reply
  ) async {
    do throws(FileSystemFailure) {
      let limit = DirectoryPage.capacity(room: room, style: style)
      let items = try await fileSystem.readDirectory(handle, after: cookie, limit: limit, for: caller)
      var page = DirectoryPage(room: room, style: style, owner: reply.connection.owner)
      for item in items where !page.append(item) { break }
      // Counted before the kernel has them: it may forget one again the moment it does.
      for inode in page.references { fileSystem.retain(inode) }
      if !reply.page(page) { for inode in page.references { fileSystem.forget(inode, lookups: 1) } }
    } catch {
      reply.fail(error)
    }
  }
}
