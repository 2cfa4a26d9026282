import CArchive
import Glibc

/// One reading handle of libarchive over a source of bytes.
///
/// libarchive pulls through C callbacks, which can't throw: what the source throws is kept and told instead of libarchive's own words.
final class LibArchive {
  let handle: OpaquePointer
  private let pieces: any PieceSource
  private var sourceError: (any Error)?
  /// Whether bytes were wanted where there are no more.
  private var hasSeenEnd = false

  /// - Parameter configure: enables formats and filters.
  init(_ pieces: any PieceSource, configure: (OpaquePointer) -> Void) throws(ArchiveFailure) {
    guard let handle = archive_read_new() else { throw ArchiveFailure(.io, "libarchive has no memory") }
    self.handle = handle
    self.pieces = pieces
    configure(handle)
    archive_read_set_callback_data(handle, Unmanaged.passUnretained(self).toOpaque())
    archive_read_set_read_callback(handle) { _, context, buffer in
      guard let context, let buffer else { return Int(ARCHIVE_FATAL) }
      return Unmanaged<LibArchive>.fromOpaque(context).takeUnretainedValue().next(buffer)
    }
    if pieces is SourcePieces {
      archive_read_set_seek_callback(handle) { _, context, offset, whence in
        guard let context else { return Int64(ARCHIVE_FATAL) }
        return Unmanaged<LibArchive>.fromOpaque(context).takeUnretainedValue().seek(offset, whence)
      }
    }
  }

  deinit {
    archive_read_free(handle)
  }

  /// - Parameter unrecognized: what to tell when nothing that is enabled wants to have the bytes.
  func open(unrecognized: ArchiveFailure? = nil) throws {
    guard archive_read_open1(handle) == ARCHIVE_OK else { throw sourceError ?? unrecognized ?? failure }
  }

  /// Why the last call failed.
  var failure: any Error {
    if let sourceError { return sourceError }
    let text = message
    let kind: ArchiveFailure.Kind =
      if text.contains("encrypted") {
        .encrypted
      } else if text.contains("nsupported") {
        .unsupportedMethod
      } else if hasSeenEnd {
        .truncated
      } else {
        .badStructure
      }
    return ArchiveFailure(kind, text)
  }

  private var message: String {
    archive_error_string(handle).map { String(cString: $0) } ?? "libarchive gives no reason"
  }

  private func next(_ buffer: UnsafeMutablePointer<UnsafeRawPointer?>) -> Int {
    do {
      let piece = try pieces.next()
      if piece.isEmpty { hasSeenEnd = true }
      buffer.pointee = piece.baseAddress
      return piece.count
    } catch {
      sourceError = sourceError ?? error
      return Int(ARCHIVE_FATAL)
    }
  }

  private func seek(_ offset: Int64, _ whence: Int32) -> Int64 {
    guard let pieces = pieces as? SourcePieces else { return Int64(ARCHIVE_FATAL) }
    let base: UInt64 =
      switch whence {
      case SEEK_SET: 0
      case SEEK_CUR: pieces.position
      default: pieces.length
      }
    let (target, isBeyond) = Int64(clamping: base).addingReportingOverflow(offset)
    guard !isBeyond, target >= 0 else { return Int64(ARCHIVE_FATAL) }
    pieces.seek(to: UInt64(target))
    hasSeenEnd = false
    return target
  }
}

/// The content of one of the compressions that libarchive knows, to its very end.
final class FilteredPieces: PieceSource {
  private let archive: LibArchive
  private var isOpen = false

  init(_ compressed: any PieceSource, _ compression: OuterCompression) throws(ArchiveFailure) {
    archive = try LibArchive(compressed) { handle in
      archive_read_support_format_raw(handle)
      switch compression {
      case .gzip: archive_read_support_filter_gzip(handle)
      case .zstd: archive_read_support_filter_zstd(handle)
      case .xz: archive_read_support_filter_xz(handle)
      case .bzip2: archive_read_support_filter_bzip2(handle)
      case .lz4: archive_read_support_filter_lz4(handle)
      }
    }
  }

  func next() throws -> UnsafeRawBufferPointer {
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    if !isOpen {
      isOpen = true
      try archive.open()
      var entry: OpaquePointer?
      let result = archive_read_next_header(archive.handle, &entry)
      if result == ARCHIVE_EOF { return none }
      guard result == ARCHIVE_OK else { throw archive.failure }
    }
    while true {
      var (start, count, offset) = (UnsafeRawPointer?.none, 0, Int64(0))
      let result = archive_read_data_block(archive.handle, &start, &count, &offset)
      if result == ARCHIVE_EOF { return none }
      guard result == ARCHIVE_OK else { throw archive.failure }
      if count > 0 { return UnsafeRawBufferPointer(start: start, count: count) }
    }
  }
}
