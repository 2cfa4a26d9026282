import CFuse
import FileSystem
import Glibc

/// A directory listing in the form in which the kernel reads it: as many entries as fit.
struct DirectoryPage: ~Copyable {
  enum Style {
    /// Names and inodes (READDIR).
    case names
    /// Names and everything that a lookup of each would tell (READDIRPLUS).
    case entries
  }

  let style: Style
  let owner: Owner
  private(set) var bytes: [CChar]
  private(set) var used = 0
  /// The inodes to which the kernel will hold one more reference each once it has taken the page.
  private(set) var references: [InodeNumber] = []

  init(room: Int, style: Style, owner: Owner) {
    self.style = style
    self.owner = owner
    bytes = [CChar](repeating: 0, count: room)
  }

  /// How many entries may fit at most: those with a name of one byte.
  /// (linux/fuse.h: fuse_dirent is 24 bytes before its name, fuse_direntplus 128 more; each is padded to 8 bytes.)
  static func capacity(room: Int, style: Style) -> Int {
    max(1, room / (style == .names ? 32 : 160))
  }

  /// Returns false once an entry does not fit.
  mutating func append(_ item: DirectoryItem) -> Bool {
    var parameters = fuse_entry_param()
    if let entry = item.entry, style == .entries { parameters = owner.parameters(entry) }
    // With no entry the kernel takes the name and the type, and looks the rest up when it is asked for
    // (fs/fuse/readdir.c, fuse_direntplus_link: a nodeid of 0).
    parameters.attr.st_ino = ino_t(item.inode.value)
    parameters.attr.st_mode = item.kind.mode
    let offset = off_t(Int64(bitPattern: item.cookie))
    let (used, style) = (used, style)
    let size = bytes.withUnsafeMutableBufferPointer { buffer -> Int in
      let free = buffer[used...]
      let start = UnsafeMutableBufferPointer(rebasing: free).baseAddress
      switch style {
      case .names: return fuse_add_direntry(nil, start, free.count, item.name, &parameters.attr, offset)
      case .entries: return fuse_add_direntry_plus(nil, start, free.count, item.name, &parameters, offset)
      }
    }
    // libfuse says how much it would need, and writes nothing, where that is more than there is.
    guard size <= bytes.count - used else { return false }
    self.used += size
    if parameters.ino != 0 { references.append(InodeNumber(parameters.ino)) }
    return true
  }
}
