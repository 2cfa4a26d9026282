/// Reads little-endian numbers from a record, as all of a zip's are (APPNOTE 4.4.1.1).
///
/// Reading beyond the end gives zeros and is remembered, so that a damaged record is refused once, not at every field.
struct ByteCursor {
  private let bytes: ArraySlice<UInt8>
  private var index: Int
  private(set) var isOverrun = false

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    index = bytes.startIndex
  }

  init(_ bytes: [UInt8]) {
    self.init(bytes[...])
  }

  var remaining: Int { bytes.endIndex - index }

  mutating func skip(_ count: Int) {
    _ = take(count)
  }

  mutating func take(_ count: Int) -> ArraySlice<UInt8> {
    guard count >= 0, count <= remaining else {
      isOverrun = true
      index = bytes.endIndex
      return []
    }
    defer { index += count }
    return bytes[index..<index + count]
  }

  private mutating func number(_ count: Int) -> UInt64 {
    var value: UInt64 = 0
    for (position, byte) in take(count).enumerated() { value |= UInt64(byte) << (8 * UInt64(position)) }
    return value
  }

  mutating func u8() -> UInt8 { UInt8(truncatingIfNeeded: number(1)) }
  mutating func u16() -> UInt16 { UInt16(truncatingIfNeeded: number(2)) }
  mutating func u32() -> UInt32 { UInt32(truncatingIfNeeded: number(4)) }
  mutating func u64() -> UInt64 { number(8) }
}

extension ArraySlice<UInt8> {
  /// The 32-bit number at the start, 0 when there are fewer than four bytes.
  var signature: UInt32 {
    var cursor = ByteCursor(self)
    return cursor.u32()
  }
}
