import Tasks

/// A point in the content of a deflated member from which decoding can go on.
///
/// Encoded in little-endian numbers: a mark, the version of this layout, the CRC-32 of all that follows, the library's layout, the member, the
/// counters, the last input, and the state, compressed.
struct DecodingPoint {
  private static let mark: UInt32 = 0x7073_6674
  private static let version: UInt32 = 1
  /// Mark, version and checksum.
  private static let prologue = 12

  let content: MemberContent
  let inflater: FrozenInflater

  init(content: MemberContent, inflater: FrozenInflater) {
    self.content = content
    self.inflater = inflater
  }

  /// Returns nil if it can't be had in memory.
  func encoded(for place: MemberPlace) -> [UInt8]? {
    guard let state = deflated(inflater.state) else { return nil }
    var body = Self.identity(of: place)
    for counter in [content.consumed, content.produced] { body.append(counter, 8) }
    body.append(UInt64(content.checksum), 4)
    body.append(UInt64(inflater.lastInput.count), 1)
    body += inflater.lastInput + state
    var bytes: [UInt8] = []
    bytes.append(UInt64(Self.mark), 4)
    bytes.append(UInt64(Self.version), 4)
    bytes.append(UInt64(body.withUnsafeBytes { crc32($0) }), 4)
    return bytes + body
  }

  /// Returns nil for bytes that were damaged, are of another member, or that this version can't go on with.
  init?(_ bytes: [UInt8], of place: MemberPlace) {
    var cursor = ByteCursor(bytes)
    guard cursor.u32() == Self.mark, cursor.u32() == Self.version else { return nil }
    let checksum = cursor.u32()
    guard !cursor.isOverrun, bytes[Self.prologue...].withUnsafeBytes({ crc32($0) }) == checksum else { return nil }
    let identity = Self.identity(of: place)
    guard cursor.take(identity.count).elementsEqual(identity) else { return nil }
    let (consumed, produced, running) = (cursor.u64(), cursor.u64(), cursor.u32())
    let lastInput = Array(cursor.take(Int(cursor.u8())))
    let state = inflated(Array(cursor.take(cursor.remaining)), size: Int(FrozenInflater.layout[0]))
    guard let state, !cursor.isOverrun, consumed <= place.rawCount, produced <= place.contentCount else { return nil }
    content = MemberContent(place, consumed: consumed, produced: produced, checksum: running)
    inflater = FrozenInflater(state: state, lastInput: lastInput)
  }

  /// The library, and the member by all that is known of it but its limit, which another reading of the directory may draw elsewhere.
  private static func identity(of place: MemberPlace) -> [UInt8] {
    var bytes: [UInt8] = []
    for number in FrozenInflater.layout { bytes.append(UInt64(number), 4) }
    for number in [place.headerOffset, place.rawCount, place.contentCount] { bytes.append(number, 8) }
    bytes.append(UInt64(place.crc32 ?? 0), 4)
    bytes.append(place.crc32 == nil ? 0 : 1, 1)
    return bytes
  }
}

extension [UInt8] {
  /// Appends a number as so many little-endian bytes.
  mutating func append(_ number: UInt64, _ count: Int) {
    for index in 0..<UInt64(count) { append(UInt8(truncatingIfNeeded: number >> (8 * index))) }
  }
}
