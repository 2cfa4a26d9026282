/// Computes a checksum, continuing from that of the bytes before (0 at the start), as CRC-32 functions do. Must be a pure function.
public typealias Checksum = @Sendable (_ bytes: UnsafeRawBufferPointer, _ continuing: UInt32) -> UInt32

/// The checksums of an object's chunks, computed as its bytes come along.
struct ChunkChecksums {
  /// 1 MiB: 4 bytes of checksum a MiB keep the index small, and damage is named to within a MiB.
  static let standardChunkSize = 1 << 20

  let chunkSize: Int
  private let checksum: Checksum
  private var finished: [UInt32] = []
  private var current: UInt32 = 0
  private var filled = 0

  init(chunkSize: Int = standardChunkSize, checksum: @escaping Checksum) {
    self.chunkSize = chunkSize
    self.checksum = checksum
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = rest.prefix(chunkSize - filled)
      current = checksum(UnsafeRawBufferPointer(rebasing: part), current)
      filled += part.count
      rest = rest.dropFirst(part.count)
      if filled == chunkSize { closeChunk() }
    }
  }

  /// The checksums so far, the last one of a chunk that may be shorter. An empty object has none.
  var all: [UInt32] { filled > 0 ? finished + [current] : finished }

  private mutating func closeChunk() {
    finished.append(current)
    current = 0
    filled = 0
  }
}

/// How checksums are kept in the index: four bytes each, little-endian.
enum ChecksumBlob {
  static func encode(_ checksums: [UInt32]) -> [UInt8] {
    checksums.flatMap { sum in (0..<4).map { UInt8(truncatingIfNeeded: sum >> (8 * $0)) } }
  }

  /// Nil for a blob that is cut short.
  static func decode(_ bytes: [UInt8]) -> [UInt32]? {
    guard bytes.count.isMultiple(of: 4) else { return nil }
    return stride(from: 0, to: bytes.count, by: 4).map { start in
      (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << (8 * $1) }
    }
  }
}
