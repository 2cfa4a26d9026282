/// A zip made while it is read: `next()` gives it piece by piece, and nothing is ever held but the piece in hand and the
/// members' records for the central directory.
struct ZipStream {
  private enum Phase {
    case header(member: Int)
    case data(member: Int, offset: Int64)
    case directory(member: Int)
    case end
    case done
  }

  /// How much of a file is read at a time: one block of generated content, and what the socket's buffer holds anyway.
  static let pieceSize = 65_536

  private let files: [SimulatedFile]
  private let style: ZipStyle
  private var members: [ZipMember]
  private var phase: Phase
  private var deflater: Deflater?
  private var directoryOffset: UInt64 = 0
  /// The bytes given so far.
  private(set) var position: UInt64 = 0

  init(files: [SimulatedFile], style: ZipStyle) {
    self.files = files
    self.style = style
    members = files.map { ZipMember($0, style: style) }
    phase = files.isEmpty ? .directory(member: 0) : .header(member: 0)
  }

  /// The next piece, never empty, or nil at the zip's end.
  mutating func next() -> [UInt8]? {
    while true {
      let piece: [UInt8]
      switch phase {
      case .header(let member): piece = header(member)
      case .data(let member, let offset): piece = data(member, offset)
      case .directory(let member): piece = directory(member)
      case .end:
        phase = .done
        piece =
          ZipEnd(
            count: UInt64(members.count), directoryOffset: directoryOffset, directorySize: position - directoryOffset,
            zip64: style.zip64, comment: style.comment
          ).bytes
      case .done: return nil
      }
      position += UInt64(piece.count)
      if !piece.isEmpty { return piece }
    }
  }

  /// The whole zip in memory: for small ones.
  static func bytes(_ files: [SimulatedFile], style: ZipStyle) -> [UInt8] {
    var stream = ZipStream(files: files, style: style)
    var out: [UInt8] = []
    while let piece = stream.next() { out += piece }
    return out
  }

  /// How long the whole zip is, found by making it once.
  static func length(_ files: [SimulatedFile], style: ZipStyle) -> Int64 {
    var stream = ZipStream(files: files, style: style)
    while stream.next() != nil {}
    return Int64(stream.position)
  }

  private mutating func header(_ index: Int) -> [UInt8] {
    members[index].offset = position
    if style.sizes == .inLocalHeader { measure(index) }
    if case .deflated(let level) = members[index].method { deflater = Deflater(level: level) } else { deflater = nil }
    phase = .data(member: index, offset: 0)
    return members[index].localHeader
  }

  private mutating func data(_ index: Int, _ offset: Int64) -> [UInt8] {
    let file = files[index]
    let input = file.bytes(at: offset, count: Self.pieceSize)
    let isLast = offset + Int64(input.count) >= file.size
    var piece: [UInt8] = []
    if let deflater { deflater.compress(input, finish: isLast, into: &piece) } else { piece = input }
    if case .inDescriptor(let signature) = style.sizes {
      members[index].crc = crc32(members[index].crc, input)
      members[index].compressedSize += UInt64(piece.count)
      if isLast { piece += members[index].descriptor(signature: signature) }
    }
    if isLast {
      deflater = nil
      phase = index + 1 < files.count ? .header(member: index + 1) : .directory(member: 0)
    } else {
      phase = .data(member: index, offset: offset + Int64(input.count))
    }
    return piece
  }

  private mutating func directory(_ index: Int) -> [UInt8] {
    if index == 0 { directoryOffset = position }
    var index = index
    var piece: [UInt8] = []
    while index < members.count, piece.count < Self.pieceSize {
      piece += members[index].directoryHeader
      index += 1
    }
    phase = index < members.count ? .directory(member: index) : .end
    return piece
  }

  /// Reads the file once beforehand: a header that comes first can only know the CRC and the compressed size so.
  private mutating func measure(_ index: Int) {
    let file = files[index]
    var offset: Int64 = 0
    var crc: UInt32 = 0
    var compressed: UInt64 = 0
    let deflater: Deflater? =
      if case .deflated(let level) = members[index].method { Deflater(level: level) } else { nil }
    repeat {
      let input = file.bytes(at: offset, count: Self.pieceSize)
      offset += Int64(input.count)
      crc = crc32(crc, input)
      guard let deflater else { continue }
      var piece: [UInt8] = []
      deflater.compress(input, finish: offset >= file.size, into: &piece)
      compressed += UInt64(piece.count)
    } while offset < file.size
    members[index].crc = crc
    members[index].compressedSize = deflater == nil ? UInt64(file.size) : compressed
  }
}
