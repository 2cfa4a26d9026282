import Tasks

/// What can be had of the part of a stream that was kept aside for a central directory which never came.
///
/// It is followed once more like a stream. What could not be delimited there, a stored content with a data descriptor, ends where a
/// descriptor with a signature stands that spells its own distance twice and the checksum of everything before it: those
/// are 96 bits that agree, more than the central directory would have had to say.
struct Salvage {
  /// Nothing more can be made out. Never leaves the reader.
  struct Exhausted: Error {}

  /// Bytes looked at in one piece.
  private static let pieceSize = 256 << 10

  let source: SpoolSource

  /// The route past a header that nothing but a search can delimit; nil for all others, and where the search finds nothing.
  func route(_ header: LocalHeader, at offset: UInt64) -> Route? {
    guard case .undelimited = Route(header.fields), header.fields.method == Method.stored, header.fields.refusal == nil,
      let length = try? length(from: offset + UInt64(header.length))
    else { return nil }
    return .content(.stored, compressedSize: length)
  }

  /// The distance from `start` to the descriptor of the content that begins there.
  private func length(from start: UInt64) throws -> UInt64? {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceSize, alignment: 64)
    defer { buffer.deallocate() }
    var (position, checksum) = (start, UInt32(0))
    while position < source.length {
      let filled = try source.spool.read(at: position - source.start, into: buffer)
      let piece = UnsafeRawBufferPointer(rebasing: buffer[..<filled])
      let isLast = position + UInt64(filled) >= source.length
      // A descriptor that reaches beyond the piece is found in the next one.
      let end = isLast ? filled : filled - DataDescriptor.longest
      guard end > 0 else { return nil }
      var summed = 0
      for index in signatures(in: piece, before: end) {
        let distance = position - start + UInt64(index)
        guard spells(distance, piece[index...]) else { continue }
        checksum = crc32(UnsafeRawBufferPointer(rebasing: piece[summed..<index]), continuing: checksum)
        summed = index
        let descriptor = DataDescriptor(crc32: checksum, compressedSize: distance, size: distance)
        let bytes = Array(piece[index...].prefix(DataDescriptor.longest))
        if case .length = descriptor.decide(bytes[...], isEnd: true) { return distance }
      }
      checksum = crc32(UnsafeRawBufferPointer(rebasing: piece[summed..<end]), continuing: checksum)
      position += UInt64(end)
    }
    return nil
  }

  /// Whether the compressed size in a descriptor is this one: a look that is cheaper than the checksum.
  private func spells(_ distance: UInt64, _ bytes: Slice<UnsafeRawBufferPointer>) -> Bool {
    var cursor = ByteCursor(Array(bytes.prefix(12)))
    cursor.skip(8)
    return UInt64(cursor.u32()) == distance & UInt64(UInt32.max) && !cursor.isOverrun
  }

  private func signatures(in piece: UnsafeRawBufferPointer, before end: Int) -> [Int] {
    var found: [Int] = []
    var index = 0
    while index < end, let next = piece[index..<end].firstIndex(of: UInt8(ascii: "P")) {
      if piece[next...].starts(with: [0x50, 0x4b, 0x07, 0x08]) { found.append(next) }
      index = next + 1
    }
    return found
  }
}

extension ZipStreamReader {
  /// Delivers what is whole beyond doubt.
  func salvage(_ spooling: Spooling) throws {
    let source = SpoolSource(spooling.spool, start: spooling.start)
    salvage = Salvage(source: source)
    phase = .record
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
    defer { piece.deallocate() }
    do {
      _ = try source.forEachPiece(at: source.start, count: UInt64(spooling.spool.length), buffer: piece) { bytes in
        var input = bytes
        while try advance(&input) {}
        return true
      }
      if case .descriptor(let open) = phase { try takeLastDescriptor(of: open) }
    } catch is Salvage.Exhausted {
    } catch let failure as ArchiveFailure where failure.kind == .badStructure {
      // A damaged directory: all members have gone by.
    }
  }
}
