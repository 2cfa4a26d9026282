/// Finds where the content of a member begins, which only the local header in front of it tells (APPNOTE 4.3.7), and holds that header
/// against the central directory's word.
public enum LocalHeaderCheck {
  public enum Reading: Hashable, Sendable {
    /// The content begins here, from the start of the package.
    case content(at: UInt64)
    /// The header is not complete: so many bytes from its start on are needed.
    case needs(Int)
  }

  /// - Parameter bytes: from the place's `headerOffset` on, any number.
  /// - Throws: `.badStructure` when the header is not the member's, or the content would reach beyond the member's limit; `.encrypted`.
  public static func read(
    _ bytes: some Collection<UInt8>, of place: MemberPlace
  ) throws(ArchiveFailure) -> Reading {
    let fixed = Array(bytes.prefix(RecordLength.localHeader))
    guard fixed.count == RecordLength.localHeader else {
      return .needs(try room(for: RecordLength.localHeader, of: place))
    }
    guard fixed[...].signature == Signature.localHeader else {
      throw ArchiveFailure(.badStructure, "no header is where the central directory says")
    }
    let length = try room(for: LocalHeader.length(fixed[...]), of: place)
    guard let header = LocalHeader(Array(bytes.prefix(length))[...]) else { return .needs(length) }
    if let failure = disagreement(header.fields, place) { throw failure }
    return .content(at: place.headerOffset + UInt64(length))
  }

  /// The length, if so much and the content fit before the limit.
  private static func room(for length: Int, of place: MemberPlace) throws(ArchiveFailure) -> Int {
    let (end, isBeyond) = place.headerOffset.addingReportingOverflow(UInt64(length))
    guard !isBeyond, end <= place.limit, place.rawCount <= place.limit - end else {
      throw ArchiveFailure(.badStructure, "its content would reach beyond the members of the archive")
    }
    return length
  }

  private static func disagreement(_ fields: EntryFields, _ place: MemberPlace) -> ArchiveFailure? {
    if fields.isEncrypted || fields.isMasked { return ArchiveFailure(.encrypted, "it is encrypted") }
    let difference =
      if fields.method != place.method {
        "another compression method"
      } else if fields.hasDescriptor {
        String?.none
      } else if let crc32 = place.crc32, fields.crc32 != crc32 {
        "another checksum"
      } else if !EntryRecord.agree(place.contentCount, fields.size) {
        "another size"
      } else if !EntryRecord.agree(place.rawCount, fields.compressedSize) {
        "another compressed size"
      } else {
        String?.none
      }
    return difference.map { ArchiveFailure(.badStructure, "the central directory has \($0) than its header") }
  }
}
