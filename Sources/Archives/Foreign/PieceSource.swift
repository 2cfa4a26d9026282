/// Bytes that come one piece after the other.
protocol PieceSource: AnyObject {
  /// The next bytes, valid until the next call; none at the end.
  func next() throws -> UnsafeRawBufferPointer
}

/// A source that can be read at any place, from its start to its end; and at any place, for the format that wants it.
final class SourcePieces: PieceSource {
  /// In bytes. Small, so that a member is handed on while the next bytes are still arriving, and not much later.
  private static let pieceSize = 64 << 10

  private let source: any RandomAccessSource
  private let piece: UnsafeMutableRawBufferPointer
  private(set) var position: UInt64 = 0

  init(_ source: any RandomAccessSource) {
    self.source = source
    piece = .allocate(byteCount: Self.pieceSize, alignment: 64)
  }

  deinit {
    piece.deallocate()
  }

  var length: UInt64 { source.length }

  func next() throws -> UnsafeRawBufferPointer {
    let bytes = try source.read(at: position, count: Self.pieceSize).prefix(Self.pieceSize)
    piece.copyBytes(from: bytes)
    position += UInt64(bytes.count)
    return UnsafeRawBufferPointer(rebasing: piece[..<bytes.count])
  }

  func seek(to position: UInt64) {
    self.position = position
  }
}

/// The ways in which a whole archive may be compressed.
enum OuterCompression: CaseIterable {
  case gzip, zstd, xz, bzip2, lz4

  /// By the first bytes (RFC 1952 2.3.1; RFC 8878 3.1.1; the .xz format 2.1.1.1; "BZh" and a digit; the LZ4 frame format), or nil.
  init?(_ start: some Collection<UInt8>) {
    let magic: [(OuterCompression, [UInt8])] = [
      (.gzip, [0x1f, 0x8b, 8]), (.zstd, [0x28, 0xb5, 0x2f, 0xfd]), (.xz, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]),
      (.bzip2, [0x42, 0x5a, 0x68]), (.lz4, [4, 0x22, 0x4d, 0x18]),
    ]
    guard let found = magic.first(where: { start.starts(with: $0.1) }) else { return nil }
    self = found.0
  }

  /// What is inside.
  func pieces(of compressed: any PieceSource) throws -> any PieceSource {
    // libarchive's own gzip filter does not look at the checksum, and takes twice as long.
    self == .gzip ? GzipPieces(compressed) : try FilteredPieces(compressed, self)
  }
}
