import Tasks

/// Takes apart the archives that are no zip, through libarchive, in one pass: tar in its dialects and cpio, as they are or compressed as a
/// whole by gzip, zstd, xz, bzip2 or LZ4, and 7z.
///
/// Names, limits and what becomes of links are those of zip archives: links are files that hold their target. Devices and the like are
/// left out. Files with holes are read out in full. Blocks on the source and in the sink; confined to one thread.
///
/// tar has no checksums: what is compressed is checked as far as the compression has one, to the end of the stream.
public struct ForeignArchiveReader {
  private let delivery: Delivery
  private let options: ArchiveOptions

  public init(options: ArchiveOptions, sink: any ArchiveSink) {
    self.options = options
    delivery = Delivery(sink, limits: options.limits)
  }

  /// The sum of the original sizes so far, in bytes.
  public var totalSize: ByteCount { delivery.total }

  /// Reads everything; to be called once.
  /// - Parameter source: is read from its start to its end, but for 7z, whose list of contents stands at the end. It may block until
  ///   bytes have arrived.
  /// - Throws: `.truncated` when the archive's own end is missing: what is whole has been delivered; `.badStructure`, `.badChecksum`,
  ///   `.encrypted` for damage or encryption behind which nothing more can be had; or what the source or the sink threw.
  public func read(_ source: any RandomAccessSource) throws {
    let start = try source.read(at: 0, count: 8)
    let whole = SourcePieces(source)
    if SevenZipStart.matches(start) {
      // Its names are UTF-16, and become what the locale says.
      return try ThreadLocale.with(ThreadLocale.utf8) { try read(whole) }
    }
    let pieces = try OuterCompression(start)?.pieces(of: whole) ?? whole
    try ThreadLocale.with(ThreadLocale.plain) { try read(pieces) }
    if pieces !== whole { try readToEnd(pieces) }
  }

  private func read(_ pieces: any PieceSource) throws {
    let contents = try ForeignContents(pieces, delivery: delivery, namer: MemberNamer(options))
    while try contents.next() {}
  }

  /// The checksum of a compression stands behind what it compressed, and that may be longer than the archive.
  private func readToEnd(_ pieces: any PieceSource) throws {
    var left = options.limits.totalSize.map { Int($0.bytes) } ?? .max
    while case let piece = try pieces.next(), !piece.isEmpty {
      left -= piece.count
      guard left >= 0 else {
        throw ArchiveFailure(.limitExceeded, "what follows the archive is larger than an archive may be")
      }
    }
  }
}
