import CArchive
import Glibc
import Tasks

/// What libarchive tells of an entry.
struct ForeignEntry {
  enum Content: Equatable {
    case directory
    /// The size is nil where the header doesn't tell it.
    case file(size: ByteCount?)
    case link(target: [UInt8])

    var size: ByteCount? {
      switch self {
      case .directory: nil
      case .file(let size): size
      case .link(let target): ByteCount(target.count)
      }
    }
  }

  let name: [UInt8]
  /// nil for devices, pipes and sockets.
  let content: Content?
  let modified: ArchiveTime
  let isEncrypted: Bool

  init(_ entry: OpaquePointer) {
    name = Self.bytes(archive_entry_pathname(entry))
    modified =
      archive_entry_mtime_is_set(entry) == 0
      ? ArchiveTime(seconds: 0)
      : ArchiveTime(
        seconds: Int64(archive_entry_mtime(entry)),
        nanoseconds: Int32(clamping: max(0, min(999_999_999, archive_entry_mtime_nsec(entry)))))
    isEncrypted = archive_entry_is_data_encrypted(entry) != 0
    content = Self.content(entry)
  }

  private static func content(_ entry: OpaquePointer) -> Content? {
    let size = archive_entry_size_is_set(entry) == 0 ? nil : ByteCount(max(0, archive_entry_size(entry)))
    // The other name of a file that the archive holds as well. In cpio the content comes with the last name.
    if let target = archive_entry_hardlink(entry), size ?? .zero == .zero { return .link(target: bytes(target)) }
    switch archive_entry_filetype(entry) & Glibc.S_IFMT {
    case Glibc.S_IFDIR: return .directory
    case Glibc.S_IFLNK: return .link(target: bytes(archive_entry_symlink(entry)))
    case Glibc.S_IFREG, 0: return .file(size: size)
    default: return nil
    }
  }

  private static func bytes(_ text: UnsafePointer<CChar>?) -> [UInt8] {
    guard let text else { return [] }
    return Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
  }
}
