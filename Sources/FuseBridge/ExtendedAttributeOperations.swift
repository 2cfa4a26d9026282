import CFuse
import FileSystem
import Glibc

extension Operations {
  static func addExtendedAttributes(to table: inout fuse_lowlevel_ops) {
    table.getxattr = { request, inode, name, size in
      let name = name.flatMap { String(validatingCString: $0) } ?? ""
      // A tree has attributes of the user's kind only (xattr(7)). `ls -l` and `cp -a` ask for ACLs, security labels and
      // capabilities of every file; most programs stop asking on this answer. ENOSYS would end it for good, and with it
      // the user's attributes.
      guard name.hasPrefix("user.") else {
        fuse_reply_err(request, EOPNOTSUPP)
        return
      }
      Operations.answer(request, "getxattr") { fileSystem, caller, reply in
        do throws(FileSystemFailure) {
          let value = try await fileSystem.extendedAttribute(name, of: InodeNumber(inode), for: caller)
          reply.sized(value, room: size)
        } catch {
          reply.fail(error)
        }
      }
    }
    table.listxattr = { request, inode, size in
      Operations.answer(request, "listxattr") { fileSystem, caller, reply in
        do throws(FileSystemFailure) {
          let names = try await fileSystem.extendedAttributeNames(of: InodeNumber(inode), for: caller)
          reply.sized(names.flatMap { Array($0.utf8) + [0] }, room: size)
        } catch {
          reply.fail(error)
        }
      }
    }
  }
}
