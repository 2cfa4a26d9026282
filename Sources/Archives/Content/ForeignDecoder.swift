import CArchive

/// Undoes the compression methods that only libarchive knows.
///
/// libarchive pulls, and what arrives is pushed: so a member's raw bytes are collected first, then shown to libarchive as an
/// archive of one member, with a header that is made up here and says only what has been checked.
struct ForeignDecoder {
  /// Bytes handed over in one piece.
  private static let pieceSize = 256 << 10
  /// Largest LZMA dictionary in bytes. liblzma reserves it all at once; 7-Zip's largest preset takes 64 MiB, its newest 256.
  private static let largestDictionary: UInt32 = 256 << 20

  let method: UInt16
  /// Of the general purpose flags (APPNOTE 4.4.4) those that belong to the method: bits 1 and 2.
  let flags: UInt16
  let compressedSize: UInt64
  let size: UInt64
  /// nil if it is not known, and then it is not checked.
  let crc32: UInt32?

  enum Outcome {
    case ended
    case damaged(ArchiveFailure)
  }

  /// Decodes the raw bytes that stand in `spool` from `offset` on.
  /// - Throws: what `output` throws.
  func decode(
    _ spool: SpoolFile, at offset: UInt64, output: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Outcome {
    if size == 0 {
      // libarchive finds nothing where Python wrote the LZMA of nothing.
      if crc32 ?? 0 == 0 { return .ended }
      return .damaged(ArchiveFailure(.badChecksum, "its content does not match its checksum"))
    }
    if method == Method.lzma, let refusal = try lzmaRefusal(spool, at: offset) { return .damaged(refusal) }
    guard let archive = archive_read_new() else { return .damaged(ArchiveFailure(.io, "libarchive has no memory")) }
    defer { archive_read_free(archive) }
    let feed = ForeignFeed(
      header: header, spool: spool, offset: offset, count: compressedSize, pieceSize: Self.pieceSize)
    archive_read_support_format_zip_streamable(archive)
    // Checked here, where a mismatch doesn't swallow the last piece.
    archive_read_set_options(archive, "zip:ignorecrc32")
    archive_read_set_callback_data(archive, Unmanaged.passUnretained(feed).toOpaque())
    archive_read_set_read_callback(archive) { _, context, buffer in
      guard let context, let buffer else { return -1 }
      return Unmanaged<ForeignFeed>.fromOpaque(context).takeUnretainedValue().next(buffer)
    }
    return try withExtendedLifetime(feed) {
      var entry: OpaquePointer?
      guard archive_read_open1(archive) == ARCHIVE_OK, archive_read_next_header(archive, &entry) == ARCHIVE_OK else {
        return .damaged(failure(archive, feed))
      }
      return try pump(archive, feed, output)
    }
  }

  private func pump(
    _ archive: OpaquePointer, _ feed: ForeignFeed, _ output: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Outcome {
    var content = MemberContent(.stored, compressedSize: size, expectedSize: size)
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceSize, alignment: 64)
    defer { piece.deallocate() }
    while true {
      let count = archive_read_data(archive, piece.baseAddress, piece.count)
      // A warning is about a size that is checked here anyway.
      guard count >= 0 || count == Int(ARCHIVE_WARN) else { return .damaged(failure(archive, feed)) }
      if count <= 0 { break }
      let bytes = UnsafeRawBufferPointer(rebasing: piece[..<count])
      if try !content.accept(bytes, output) { return .damaged(content.tooLong) }
    }
    if let failure = content.verdict(size: size, crc32: crc32) { return .damaged(failure) }
    return .ended
  }

  private func failure(_ archive: OpaquePointer, _ feed: ForeignFeed) -> ArchiveFailure {
    if let failure = feed.failure { return failure }
    let text = archive_error_string(archive).map { String(cString: $0) } ?? "it can't be decompressed"
    let isUnsupported = text.contains("nsupported")
    return ArchiveFailure(isUnsupported ? .unsupportedMethod : .badStructure, text)
  }

  /// An LZMA member starts with a version, the length of the properties, and these (APPNOTE 5.8.8): a byte and the dictionary's size.
  private func lzmaRefusal(_ spool: SpoolFile, at offset: UInt64) throws -> ArchiveFailure? {
    var start = [UInt8](repeating: 0, count: 9)
    let filled = try start.withUnsafeMutableBytes { try spool.read(at: offset, into: $0) }
    var cursor = ByteCursor(start.prefix(filled))
    cursor.skip(5)
    guard cursor.u32() > Self.largestDictionary else { return nil }
    return ArchiveFailure(.limitExceeded, "it needs a dictionary of more than \(Self.largestDictionary) bytes")
  }

  /// A local header (APPNOTE 4.3.7) with a Zip64 field, whatever the sizes.
  private var header: [UInt8] {
    var bytes: [UInt8] = []
    func put(_ value: UInt64, _ count: Int) {
      for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))) }
    }
    put(UInt64(Signature.localHeader), 4)
    put(45, 2)
    put(UInt64(flags & 0b110), 2)
    put(UInt64(method), 2)
    put(0, 4)
    put(UInt64(crc32 ?? 0), 4)
    put(UInt64(UInt32.max), 4)
    put(UInt64(UInt32.max), 4)
    put(1, 2)
    put(20, 2)
    put(UInt64(UInt8(ascii: "x")), 1)
    put(1, 2)
    put(16, 2)
    put(size, 8)
    put(compressedSize, 8)
    return bytes
  }
}

extension ForeignDecoder {
  init(_ fields: EntryFields, compressedSize: UInt64) {
    self.init(
      method: fields.method, flags: fields.flags, compressedSize: compressedSize, size: fields.size,
      crc32: fields.crc32)
  }

  /// The flags are not remembered: libarchive finds the end of LZMA data by the size, whether or not they are marked.
  init(_ place: MemberPlace) {
    self.init(
      method: place.method, flags: 0, compressedSize: place.rawCount, size: place.contentCount, crc32: place.crc32)
  }
}

/// What libarchive reads: the header, then the raw bytes.
private final class ForeignFeed {
  private let header: UnsafeMutableRawBufferPointer
  private let piece: UnsafeMutableRawBufferPointer
  private let spool: SpoolFile
  private var offset: UInt64
  private var left: UInt64
  private var isHeaderRead = false
  private(set) var failure: ArchiveFailure?

  init(header bytes: [UInt8], spool: SpoolFile, offset: UInt64, count: UInt64, pieceSize: Int) {
    header = .allocate(byteCount: bytes.count, alignment: 1)
    header.copyBytes(from: bytes)
    piece = .allocate(byteCount: pieceSize, alignment: 64)
    self.spool = spool
    self.offset = offset
    left = count
  }

  deinit {
    header.deallocate()
    piece.deallocate()
  }

  /// As libarchive's `archive_read_callback` wants it: a pointer that stays valid until the next call, and a count.
  func next(_ buffer: UnsafeMutablePointer<UnsafeRawPointer?>) -> Int {
    guard isHeaderRead else {
      isHeaderRead = true
      buffer.pointee = UnsafeRawPointer(header.baseAddress)
      return header.count
    }
    do throws(ArchiveFailure) {
      let wanted = UnsafeMutableRawBufferPointer(rebasing: piece[..<Int(min(left, UInt64(piece.count)))])
      let count = try spool.read(at: offset, into: wanted)
      offset += UInt64(count)
      left -= UInt64(count)
      buffer.pointee = UnsafeRawPointer(piece.baseAddress)
      return count
    } catch {
      failure = error
      return -1
    }
  }
}
