/// The entry whose content is going by.
struct OpenMember {
  let header: LocalHeader
  /// Of the local header, in the stream.
  let offset: UInt64
  /// Nil for a directory, whose content (there should be none) is nobody's.
  let member: ArchiveMember?
  var content: MemberContent

  var fields: EntryFields { header.fields }
  var record: EntryRecord { EntryRecord(fields, offset: offset, content: content) }

  var descriptor: DataDescriptor {
    DataDescriptor(crc32: content.checksum, compressedSize: content.consumed, size: content.produced)
  }

  /// Whether the header already told the truth of the content: then a writer that set bit 3 may have left the descriptor out.
  var isAnnounced: Bool {
    fields.crc32 == content.checksum && fields.size == content.produced && fields.compressedSize == content.consumed
  }
}

/// How the content of an entry is dealt with, as the header in front of it allows.
enum Route {
  /// Delivered as it comes; the compressed size is nil where only the deflate stream's own end tells it.
  case content(MemberContent.Encoding, compressedSize: UInt64?)
  /// Collected, and then decoded by libarchive.
  case foreign(compressedSize: UInt64)
  /// Passed over.
  case refused(ArchiveFailure, compressedSize: UInt64)
  /// Nothing in the stream tells where it ends: the central directory must.
  case undelimited

  init(_ fields: EntryFields) {
    let size = fields.compressedSize
    // A stored directory is empty, whatever is written behind it.
    let isDelimited = !fields.hasDescriptor || (fields.isDirectory && fields.method == Method.stored && size == 0)
    if fields.isMasked {
      self = .undelimited
    } else if let refusal = fields.refusal {
      self = isDelimited ? .refused(refusal, compressedSize: size) : .undelimited
    } else if fields.method == Method.stored || (fields.isDirectory && size == 0 && !fields.hasDescriptor) {
      self = Self.stored(fields, isDelimited: isDelimited)
    } else if size == 0, !fields.hasDescriptor {
      // No compressor makes nothing of anything: bit 3 got lost.
      self = .undelimited
    } else if fields.method == Method.deflated {
      self = .content(.deflated, compressedSize: fields.hasDescriptor ? nil : size)
    } else {
      self = isDelimited ? .foreign(compressedSize: size) : .undelimited
    }
  }

  private static func stored(_ fields: EntryFields, isDelimited: Bool) -> Route {
    let size = fields.compressedSize
    guard size == fields.size else {
      let failure = ArchiveFailure(.badStructure, "it is stored, but its two sizes differ")
      return isDelimited ? .refused(failure, compressedSize: size) : .undelimited
    }
    // Writers that know the size beforehand announce it even if they write a descriptor; whether it was true shows behind it.
    return isDelimited || size > 0 ? .content(.stored, compressedSize: size) : .undelimited
  }
}
