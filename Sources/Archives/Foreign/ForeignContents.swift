import CArchive
import Tasks

/// The entries of an archive that libarchive reads, one after the other.
final class ForeignContents {
  private let archive: LibArchive
  private let delivery: Delivery
  private let namer: MemberNamer
  /// For the holes of sparse files.
  private let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)

  init(_ pieces: any PieceSource, delivery: Delivery, namer: MemberNamer) throws {
    self.delivery = delivery
    self.namer = namer
    zeros.initializeMemory(as: UInt8.self, repeating: 0)
    archive = try LibArchive(pieces) { handle in
      archive_read_support_format_tar(handle)
      archive_read_support_format_cpio(handle)
      archive_read_support_format_7zip(handle)
    }
    try archive.open(unrecognized: ArchiveFailure(.badStructure, "it is no tar, cpio or 7z archive"))
  }

  deinit {
    zeros.deallocate()
  }

  /// Delivers the next entry. Returns false at the end of the archive.
  func next() throws -> Bool {
    let before = archive_filter_bytes(archive.handle, 0)
    var pointer: OpaquePointer?
    let result = archive_read_next_header(archive.handle, &pointer)
    if result == ARCHIVE_EOF {
      try checkEnd(passed: archive_filter_bytes(archive.handle, 0) - before)
      return false
    }
    // A warning is about names and owners: the names are taken as they stand.
    guard result == ARCHIVE_OK || result == ARCHIVE_WARN, let pointer else { throw archive.failure }
    try take(ForeignEntry(pointer))
    return true
  }

  private var isTar: Bool {
    archive_format(archive.handle) & ARCHIVE_FORMAT_BASE_MASK == ARCHIVE_FORMAT_TAR
  }

  /// libarchive takes the end of the bytes between two members for the end of a tar, which is marked by zeros. Nothing else would show
  /// that an archive was cut off there.
  private func checkEnd(passed: Int64) throws(ArchiveFailure) {
    guard isTar, passed <= 0 else { return }
    throw ArchiveFailure(.truncated, "the end of the archive is missing")
  }

  private func take(_ entry: ForeignEntry) throws {
    guard let content = entry.content else { return try namer.skip() }
    let named = try namer.next(
      entry.name, isDirectory: content == .directory, size: content.size, modified: entry.modified)
    switch (named, content) {
    case (.directory(let path, let modified), _):
      if let path { try delivery.directory(path, modified: modified) }
    case (.file(let member), .link(let target)):
      try delivery.began(member)
      try target.withUnsafeBytes { if !$0.isEmpty { try delivery.data($0, of: member) } }
      let checksum = target.withUnsafeBytes { crc32($0) }
      try delivery.ended(member.with(size: UInt64(target.count), crc32: checksum))
    case (.file(let member), _) where entry.isEncrypted:
      try delivery.failed(member, ArchiveFailure(.encrypted, "it is encrypted"))
    case (.file(let member), _):
      try delivery.began(member)
      try takeContent(of: member)
    }
  }

  private func takeContent(of member: ArchiveMember) throws {
    let size = member.size.map { UInt64($0.bytes) }
    var content = MemberContent(.stored, compressedSize: nil, expectedSize: size)
    var end = Block.next
    while case .next = end { end = try takeBlock(&content, member) }
    switch end {
    case .next, .last:
      // Where a hole ends a file, there is no block behind it.
      if isTar, let size { _ = try fill(to: size, &content, member) }
      if let size, content.produced != size, let failure = content.verdict(size: size, crc32: nil) {
        return try delivery.failed(member, failure)
      }
      try delivery.ended(member.with(size: content.produced, crc32: content.checksum))
    case .damaged(let failure):
      try delivery.failed(member, failure)
    case .fatal(let failure):
      try delivery.failed(member, failure)
      throw failure
    }
  }

  private enum Block {
    case next
    case last
    /// The archive goes on behind this member.
    case damaged(ArchiveFailure)
    /// And here it doesn't.
    case fatal(ArchiveFailure)
  }

  private func takeBlock(_ content: inout MemberContent, _ member: ArchiveMember) throws -> Block {
    var (start, count, offset) = (UnsafeRawPointer?.none, 0, Int64(0))
    let result = archive_read_data_block(archive.handle, &start, &count, &offset)
    switch result {
    case ARCHIVE_EOF: return .last
    case ARCHIVE_OK: break
    case ARCHIVE_RETRY: return .next
    case ARCHIVE_WARN, ARCHIVE_FAILED:
      guard let failure = archive.failure as? ArchiveFailure else { throw archive.failure }
      // What 7z warns of is a wrong checksum.
      return .damaged(result == ARCHIVE_WARN ? ArchiveFailure(.badChecksum, failure.reason) : failure)
    default:
      // A member that is cut off has not failed: it has not come.
      guard let failure = archive.failure as? ArchiveFailure, failure.kind != .truncated else { throw archive.failure }
      return .fatal(failure)
    }
    guard offset >= 0, try fill(to: UInt64(offset), &content, member) else { return .damaged(Self.outOfOrder) }
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    if !bytes.isEmpty, try !content.accept(bytes, { try delivery.data($0, of: member) }) {
      return .damaged(content.tooLong)
    }
    return .next
  }

  /// Makes up a hole. Returns false if the content is longer than that already, or may not be so long.
  private func fill(to end: UInt64, _ content: inout MemberContent, _ member: ArchiveMember) throws -> Bool {
    guard content.produced <= end else { return false }
    while content.produced < end {
      let count = Int(min(end - content.produced, UInt64(zeros.count)))
      let bytes = UnsafeRawBufferPointer(rebasing: zeros[..<count])
      guard try content.accept(bytes, { try delivery.data($0, of: member) }) else { return false }
    }
    return true
  }

  private static let outOfOrder = ArchiveFailure(.badStructure, "its parts overlap, or reach beyond its size")
}
