/// What a local header and a central directory header both say of an entry.
struct EntryFields {
  let flags: UInt16
  let method: UInt16
  let dosTime: UInt16
  let dosDate: UInt16
  let crc32: UInt32
  let compressedSize: UInt64
  let size: UInt64
  /// As it stands in the archive.
  let name: [UInt8]
  let extra: ExtraFields

  /// Bit 0 (APPNOTE 4.4.4).
  var isEncrypted: Bool { flags & 1 != 0 }
  /// Bit 3: checksum and sizes follow the content.
  var hasDescriptor: Bool { flags & 1 << 3 != 0 }
  /// Bit 11: the name is UTF-8.
  var saysUTF8: Bool { flags & 1 << 11 != 0 }
  /// Bit 13: the directory is encrypted, and the local header's values are masked (APPNOTE 4.4.4).
  var isMasked: Bool { flags & 1 << 13 != 0 }
  /// APPNOTE has no rule for directories; all tools write the slash (4.4.17.1 makes it the separator).
  var isDirectory: Bool { name.last == UInt8(ascii: "/") }
}

extension EntryFields {
  /// Whether it is no entry: Android's build tools fill gaps with a local header that has neither a name nor content, and that the
  /// central directory does not list.
  var isPadding: Bool {
    name.isEmpty && method == Method.stored && compressedSize == 0 && size == 0 && !hasDescriptor
  }
}

/// Compression methods (APPNOTE 4.4.5).
enum Method {
  static let stored: UInt16 = 0
  static let deflated: UInt16 = 8
  /// Those that libarchive can undo: bzip2, LZMA, Zstandard, XZ, PPMd.
  static let foreign: Set<UInt16> = [12, lzma, 93, 95, 98]
  static let lzma: UInt16 = 14

  private static let names: [UInt16: String] = [
    1: "shrunk", 2: "reduced", 3: "reduced", 4: "reduced", 5: "reduced", 6: "imploded", 9: "Deflate64",
    10: "PKWARE DCL",
    12: "bzip2", 14: "LZMA", 16: "IBM CMPSC", 18: "IBM TERSE", 19: "IBM LZ77", 20: "Zstandard (withdrawn number)",
    93: "Zstandard", 94: "MP3", 95: "XZ", 96: "JPEG variant", 97: "WavPack", 98: "PPMd", 99: "AES encryption",
  ]

  static func description(_ method: UInt16) -> String {
    names[method].map { "\($0) (method \(method))" } ?? "method \(method)"
  }
}

/// The header in front of an entry's content (APPNOTE 4.3.7).
struct LocalHeader {
  let fields: EntryFields
  /// From the signature to the first byte of content.
  let length: Int

  /// The whole length of the header that starts with these bytes, of which there are at least 30.
  static func length(_ start: ArraySlice<UInt8>) -> Int {
    var cursor = ByteCursor(start)
    cursor.skip(26)
    return RecordLength.localHeader + Int(cursor.u16()) + Int(cursor.u16())
  }

  /// Returns nil when the bytes are fewer than the header's length.
  init?(_ record: ArraySlice<UInt8>) {
    var cursor = ByteCursor(record)
    cursor.skip(6)
    let (flags, method) = (cursor.u16(), cursor.u16())
    let (dosTime, dosDate) = (cursor.u16(), cursor.u16())
    let crc32 = cursor.u32()
    let (compressedSize, size) = (cursor.u32(), cursor.u32())
    let (nameLength, extraLength) = (Int(cursor.u16()), Int(cursor.u16()))
    let name = cursor.take(nameLength)
    let extra = ExtraFields(cursor.take(extraLength))
    guard !cursor.isOverrun else { return nil }
    var wide = extra.zip64
    let wideSize = wide.widened(size)
    fields = EntryFields(
      flags: flags, method: method, dosTime: dosTime, dosDate: dosDate, crc32: crc32,
      compressedSize: wide.widened(compressedSize), size: wideSize, name: Array(name), extra: extra)
    length = RecordLength.localHeader + nameLength + extraLength
  }
}

/// An entry of the central directory (APPNOTE 4.3.12).
struct CentralEntry {
  let fields: EntryFields
  /// Of the local header, from the start of the archive.
  let offset: UInt64
  let length: Int

  /// The whole length of the entry that starts with these bytes, of which there are at least 46.
  static func length(_ start: ArraySlice<UInt8>) -> Int {
    var cursor = ByteCursor(start)
    cursor.skip(28)
    return RecordLength.centralHeader + Int(cursor.u16()) + Int(cursor.u16()) + Int(cursor.u16())
  }

  /// Returns nil when the bytes are fewer than the entry's length.
  init?(_ record: ArraySlice<UInt8>) {
    var cursor = ByteCursor(record)
    cursor.skip(8)
    let (flags, method) = (cursor.u16(), cursor.u16())
    let (dosTime, dosDate) = (cursor.u16(), cursor.u16())
    let crc32 = cursor.u32()
    let (compressedSize, size) = (cursor.u32(), cursor.u32())
    let (nameLength, extraLength, commentLength) = (Int(cursor.u16()), Int(cursor.u16()), Int(cursor.u16()))
    cursor.skip(8)
    let offset = cursor.u32()
    let name = cursor.take(nameLength)
    let extra = ExtraFields(cursor.take(extraLength))
    cursor.skip(commentLength)
    guard !cursor.isOverrun else { return nil }
    var wide = extra.zip64
    let wideSize = wide.widened(size)
    let wideCompressedSize = wide.widened(compressedSize)
    self.offset = wide.widened(offset)
    fields = EntryFields(
      flags: flags, method: method, dosTime: dosTime, dosDate: dosDate, crc32: crc32,
      compressedSize: wideCompressedSize, size: wideSize, name: Array(name), extra: extra)
    length = RecordLength.centralHeader + nameLength + extraLength + commentLength
  }
}

extension EntryFields {
  /// The same with bit 3 cleared: checksum and sizes are known by now.
  var withoutDescriptor: EntryFields {
    EntryFields(
      flags: flags & ~(1 << 3), method: method, dosTime: dosTime, dosDate: dosDate, crc32: crc32,
      compressedSize: compressedSize, size: size, name: name, extra: extra)
  }

  /// Why the content can't be had whatever it is, or nil.
  var refusal: ArchiveFailure? {
    if isEncrypted { return ArchiveFailure(.encrypted, "it is encrypted") }
    if method == Method.stored || method == Method.deflated || Method.foreign.contains(method) { return nil }
    return ArchiveFailure(.unsupportedMethod, "its compression is not supported: \(Method.description(method))")
  }
}
