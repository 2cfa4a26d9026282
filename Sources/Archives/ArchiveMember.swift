import Tasks

/// A moment as archives record it.
public struct ArchiveTime: Hashable, Sendable {
  /// Since 1970-01-01 00:00 UTC.
  public let seconds: Int64
  /// 0...999,999,999.
  public let nanoseconds: Int32

  public init(seconds: Int64, nanoseconds: Int32 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }
}

/// Where a member or a directory stands in the tree of an archive, made safe to show as a path.
///
/// There is at least one component; none is empty, `.` or `..`, holds `/`, NUL or another control character, or is longer
/// than 255 bytes of UTF-8. Within one archive no two members have the same path, and none has that of a directory.
public struct MemberPath: Hashable, Sendable, CustomStringConvertible {
  public let components: [String]

  /// The caller has made the components safe; see ``PathRules``.
  init(safe components: [String]) {
    self.components = components
  }

  public var description: String { components.joined(separator: "/") }

  /// For messages: a path of 3,000 bytes would bury what is said of it.
  var shown: String { PathRules.fitted(description, to: PathRules.longestComponent) }
}

/// One regular file of an archive. Symbolic links are files that hold the path they point to.
public struct ArchiveMember: Hashable, Sendable {
  /// The position among everything the archive holds, directories included, from 0, in the order of the bytes. It is the same
  /// each time the archive is read.
  public let ordinal: Int
  public let path: MemberPath
  /// The exact size of the content, or nil while only the data descriptor behind the content can tell it.
  public let size: ByteCount?
  public let modified: ArchiveTime
  /// Of the content; nil while only the data descriptor can tell it.
  public let crc32: UInt32?

  init(ordinal: Int, path: MemberPath, size: ByteCount?, modified: ArchiveTime, crc32: UInt32?) {
    self.ordinal = ordinal
    self.path = path
    self.size = size
    self.modified = modified
    self.crc32 = crc32
  }

  /// The same member with what is known of it once its content has been seen.
  func with(size: UInt64, crc32: UInt32) -> ArchiveMember {
    ArchiveMember(
      ordinal: ordinal, path: path, size: ByteCount(Int64(clamping: size)), modified: modified, crc32: crc32)
  }
}
