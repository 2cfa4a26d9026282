import Archives
import ResultCache
import Tasks

// The cache keeps where a member lies in its package; what that means is the archive's business.

extension CachedPlace {
  /// No method of a zip: the package is no archive, and its bytes are the content.
  static let bare: UInt16 = .max

  init(_ file: ZipDirectory.File) {
    self.init(
      headerOffset: file.headerOffset, limit: file.limit, compressedSize: file.compressedSize,
      method: file.compressionMethod)
  }

  /// The place of a package that is a file by itself.
  init(bareOf size: ByteCount) {
    self.init(headerOffset: 0, limit: UInt64(size.bytes), compressedSize: size, method: Self.bare)
  }

  var isBare: Bool { method == Self.bare }
}

extension MemberPlace {
  init(_ place: CachedPlace, of member: CachedMember) {
    self.init(
      headerOffset: place.headerOffset, limit: place.limit, compressedSize: place.compressedSize, size: member.size,
      crc32: member.crc32, method: place.method)
  }
}
