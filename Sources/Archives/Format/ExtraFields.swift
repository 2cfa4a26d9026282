/// The extra fields of a header (APPNOTE 4.5): blocks of an id, a length and so many bytes.
///
/// Damage ends the list and is no failure of its own: everything that matters here is checked against something else.
struct ExtraFields {
  private let bytes: [UInt8]

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = Array(bytes)
  }

  /// The bytes of the first block with this id.
  func block(_ id: UInt16) -> ArraySlice<UInt8>? {
    var cursor = ByteCursor(bytes)
    while cursor.remaining >= 4 {
      let found = cursor.u16()
      let length = Int(cursor.u16())
      let content = cursor.take(length)
      if cursor.isOverrun { return nil }
      if found == id { return content }
    }
    return nil
  }

  /// 0x0001 (APPNOTE 4.5.3).
  var zip64: Zip64Values { Zip64Values(block(0x0001) ?? []) }

  /// 0x7075 (APPNOTE 4.6.9): the name in UTF-8, if it still belongs to the header's name, whose checksum it holds.
  func unicodePath(of name: [UInt8]) -> ArraySlice<UInt8>? {
    guard let block = block(0x7075) else { return nil }
    var cursor = ByteCursor(block)
    let version = cursor.u8()
    let checksum = cursor.u32()
    guard version == 1, !cursor.isOverrun, name.withUnsafeBytes({ crc32($0) }) == checksum else { return nil }
    return cursor.take(cursor.remaining)
  }
}

/// The 64-bit values that stand for 32-bit ones which are all ones, in the order of the fields (APPNOTE 4.5.3).
struct Zip64Values {
  private var cursor: ByteCursor

  init(_ block: ArraySlice<UInt8>) {
    cursor = ByteCursor(block)
  }

  /// The value of a field; to be called for the fields in APPNOTE's order. Where the 64-bit one is missing, the field
  /// is taken at its word, as a file may be exactly 4 GiB less a byte.
  mutating func widened(_ field: UInt32) -> UInt64 {
    guard field == .max, cursor.remaining >= 8 else { return UInt64(field) }
    return cursor.u64()
  }
}
