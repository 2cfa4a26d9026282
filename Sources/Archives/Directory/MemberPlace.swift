import Tasks

/// What must be remembered of a member of a zip package to read its content later.
///
/// The name is not part of it: whether the local header is the right one shows in method, checksum and sizes, and the checksum
/// decides on the bytes in any case.
public struct MemberPlace: Hashable, Sendable {
  /// Of the local header, from the start of the package.
  public let headerOffset: UInt64
  /// Where the next header, or the central directory, begins: header and content end there or before.
  public let limit: UInt64
  public let compressedSize: ByteCount
  public let size: ByteCount
  /// Of the content; nil if it is not known, and then it is not checked.
  public let crc32: UInt32?
  /// APPNOTE 4.4.5.
  public let method: UInt16

  public init(
    headerOffset: UInt64, limit: UInt64, compressedSize: ByteCount, size: ByteCount, crc32: UInt32?, method: UInt16
  ) {
    self.headerOffset = headerOffset
    self.limit = limit
    self.compressedSize = compressedSize
    self.size = size
    self.crc32 = crc32
    self.method = method
  }

  /// Of a file that can be opened: one that has a ``ZipDirectory/File/refusal`` has no place worth remembering.
  public init(_ file: ZipDirectory.File) {
    self.init(
      headerOffset: file.headerOffset, limit: file.limit, compressedSize: file.compressedSize,
      size: file.member.size ?? ByteCount(0), crc32: file.member.crc32, method: file.compressionMethod)
  }

  /// Whether its bytes stand in the package as they are, so that any part can be read by itself.
  public var isStored: Bool { method == Method.stored }
  /// Whether it is decoded while it arrives, and decoding can be resumed; see ``MemberDecoder/snapshot()``.
  public var isDeflated: Bool { method == Method.deflated }

  var rawCount: UInt64 { UInt64(compressedSize.bytes) }
  var contentCount: UInt64 { UInt64(size.bytes) }
}
