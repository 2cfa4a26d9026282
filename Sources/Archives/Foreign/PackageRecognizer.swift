/// What a package is.
public enum PackageKind: Hashable, Sendable, CaseIterable {
  case zip
  /// tar or cpio, as they are or compressed as a whole, or 7z: for ``ForeignArchiveReader``.
  case archive
  /// A file that is shown as it is. It may still be a zip with something before it, which only its end tells: see ``PackageEnd``.
  case plain
}

/// Tells what a package is by its first bytes.
public enum PackageRecognizer {
  public enum Reading: Hashable, Sendable {
    case kind(PackageKind)
    /// It is not to be seen yet: so many bytes from the start are needed.
    case needs(Int)
  }

  /// How many bytes settle it as a rule.
  public static let usualStart = 64 << 10
  /// How many bytes are asked for when a compressed archive shows nothing of its content in fewer: bzip2 works in blocks of up to
  /// 900,000 bytes, LZ4 of up to 4 MiB, that are compressed to hardly less if they are images.
  private static let largerStarts = [usualStart, 1 << 20, 4 << 20 + usualStart]

  /// - Parameters:
  ///   - start: the first bytes, any number.
  ///   - isWhole: whether they are all there are.
  public static func read(_ start: [UInt8], isWhole: Bool) -> Reading {
    if ZipStart.matches(start) { return .kind(.zip) }
    if SevenZipStart.matches(start) { return .kind(.archive) }
    let content: (bytes: [UInt8], isWhole: Bool)
    if let compression = OuterCompression(start) {
      content = beginning(of: start, compression, isWhole: isWhole)
    } else {
      content = (start, isWhole)
    }
    if TarStart.matches(content.bytes) || CpioStart.matches(content.bytes) { return .kind(.archive) }
    let isSettled = content.isWhole || content.bytes.count >= TarStart.length
    guard !isSettled, let more = largerStarts.first(where: { $0 > start.count }) else { return .kind(.plain) }
    return .needs(more)
  }

  /// The same, where more bytes are not to be had: what can't be told is `.plain`.
  public static func kind(start: [UInt8], isWhole: Bool) -> PackageKind {
    if case .kind(let kind) = read(start, isWhole: isWhole) { return kind }
    return .plain
  }

  /// The first bytes of what is compressed, and whether there can't be more: it has ended, or can't be decompressed.
  private static func beginning(
    of start: [UInt8], _ compression: OuterCompression, isWhole: Bool
  ) -> (bytes: [UInt8], isWhole: Bool) {
    var bytes: [UInt8] = []
    do {
      let pieces = try compression.pieces(of: SourcePieces(StartSource(start)))
      while bytes.count < TarStart.length {
        let piece = try pieces.next()
        if piece.isEmpty { return (bytes, true) }
        bytes += piece
      }
      return (bytes, false)
    } catch let failure as ArchiveFailure {
      return (bytes, isWhole || failure.kind != .truncated)
    } catch {
      return (bytes, true)
    }
  }
}

/// The first bytes of a package.
private final class StartSource: RandomAccessSource {
  private let bytes: [UInt8]

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  var length: UInt64 { UInt64(bytes.count) }

  func read(at offset: UInt64, count: Int) -> [UInt8] {
    offset < length ? Array(bytes[Int(offset)...].prefix(count)) : []
  }
}
