/// The content of a gzip file (RFC 1952): of all its members, each checked against its checksum and size.
final class GzipPieces: PieceSource {
  private enum Phase {
    case header
    case content
    case end
  }

  /// Of a member's header (RFC 1952, 2.3.1).
  private enum Flag {
    static let headerChecksum: UInt8 = 1 << 1
    static let extra: UInt8 = 1 << 2
    static let name: UInt8 = 1 << 3
    static let comment: UInt8 = 1 << 4
    static let reserved: UInt8 = 0xe0
  }

  private let compressed: any PieceSource
  private let inflater = Inflater()
  private var phase = Phase.header
  private var input = UnsafeRawBufferPointer(start: nil, count: 0)
  /// Bytes behind a deflate stream that were taken from the input with it.
  private var returned: ArraySlice<UInt8> = []
  private var checksum: UInt32 = 0
  private var size: UInt32 = 0
  private var isFirst = true

  init(_ compressed: any PieceSource) {
    self.compressed = compressed
  }

  func next() throws -> UnsafeRawBufferPointer {
    while true {
      switch phase {
      case .end: return UnsafeRawBufferPointer(start: nil, count: 0)
      case .header: phase = try takeHeader() ? .content : .end
      case .content:
        let output = try takeContent()
        if !output.isEmpty { return output }
      }
    }
  }

  private func takeContent() throws -> UnsafeRawBufferPointer {
    if input.isEmpty { input = try compressed.next() }
    guard !input.isEmpty else { throw Self.cutOff }
    let (output, outcome) = inflater.step(&input)
    checksum = crc32(output, continuing: checksum)
    size &+= UInt32(truncatingIfNeeded: output.count)
    switch outcome {
    case .damaged: throw ArchiveFailure(.badStructure, "the compressed data of the archive is damaged")
    case .needsInput, nil: break
    case .finished(let unused):
      returned = unused[...]
      // Before the last piece is handed on: a small archive is found damaged before anything of it is delivered.
      try checkTrailer()
      phase = .header
    }
    return output
  }

  private func checkTrailer() throws {
    let trailer = try (0..<8).map { _ in try required() }
    var cursor = ByteCursor(trailer)
    guard cursor.u32() == checksum, cursor.u32() == size else {
      throw ArchiveFailure(
        .badChecksum, "the archive does not match the checksum of its compression: any part may be damaged")
    }
  }

  /// Whether another member follows. What follows the last one and is none is ignored, as gzip does: tapes are filled up with zeros.
  private func takeHeader() throws -> Bool {
    for expected in [UInt8(0x1f), 0x8b, 8] {
      guard let byte = try byte() else { return try isFirst ? { throw Self.cutOff }() : false }
      guard byte == expected else { return try isFirst ? { throw Self.damagedHeader }() : false }
    }
    isFirst = false
    let flags = try required()
    guard flags & Flag.reserved == 0 else { throw Self.damagedHeader }
    for _ in 0..<6 { _ = try required() }
    if flags & Flag.extra != 0 {
      let length = Int(try required()) + Int(try required()) << 8
      for _ in 0..<length { _ = try required() }
    }
    if flags & Flag.name != 0 { while try required() != 0 {} }
    if flags & Flag.comment != 0 { while try required() != 0 {} }
    if flags & Flag.headerChecksum != 0 { for _ in 0..<2 { _ = try required() } }
    inflater.start()
    (checksum, size) = (0, 0)
    return true
  }

  private func required() throws -> UInt8 {
    guard let byte = try byte() else { throw Self.cutOff }
    return byte
  }

  private func byte() throws -> UInt8? {
    if let byte = returned.popFirst() { return byte }
    if input.isEmpty { input = try compressed.next() }
    guard let byte = input.first else { return nil }
    input = UnsafeRawBufferPointer(rebasing: input.dropFirst())
    return byte
  }

  private static let cutOff = ArchiveFailure(.truncated, "the compressed data of the archive is cut off")
  private static let damagedHeader = ArchiveFailure(.badStructure, "the gzip header of the archive is damaged")
}
