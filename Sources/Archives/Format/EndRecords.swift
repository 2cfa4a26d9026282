/// The end of central directory record (APPNOTE 4.3.16).
struct EndRecord {
  let entries: UInt16
  let directorySize: UInt32
  let directoryOffset: UInt32
  let commentLength: Int

  init?(_ record: ArraySlice<UInt8>) {
    var cursor = ByteCursor(record)
    cursor.skip(10)
    entries = cursor.u16()
    directorySize = cursor.u32()
    directoryOffset = cursor.u32()
    commentLength = Int(cursor.u16())
    if cursor.isOverrun { return nil }
  }
}

/// The Zip64 end of central directory record (APPNOTE 4.3.14).
struct Zip64EndRecord {
  let entries: UInt64
  let directorySize: UInt64
  let directoryOffset: UInt64

  init?(_ record: ArraySlice<UInt8>) {
    var cursor = ByteCursor(record)
    cursor.skip(32)
    entries = cursor.u64()
    directorySize = cursor.u64()
    directoryOffset = cursor.u64()
    if cursor.isOverrun { return nil }
  }

  /// The whole length of the record that starts with these 12 bytes; nil for one that can't be (APPNOTE 4.3.14.1: its own size
  /// field leaves out the first 12 bytes). 64 KiB bound the part that is reserved for anybody's use.
  static func length(_ start: ArraySlice<UInt8>) -> Int? {
    var cursor = ByteCursor(start)
    cursor.skip(4)
    let size = cursor.u64()
    guard size >= UInt64(RecordLength.zip64End - 12), size <= 65_536 else { return nil }
    return Int(size) + 12
  }
}

/// What both end records together say of the central directory.
struct EndSummary {
  let end: EndRecord
  let zip64: Zip64EndRecord?

  /// For finding the directory: a 32-bit field that is all ones refers to the Zip64 record (APPNOTE 4.4.1.4).
  var directorySize: UInt64 {
    end.directorySize == .max ? zip64?.directorySize ?? UInt64(UInt32.max) : UInt64(end.directorySize)
  }

  var directoryOffset: UInt64 {
    end.directoryOffset == .max ? zip64?.directoryOffset ?? UInt64(UInt32.max) : UInt64(end.directoryOffset)
  }

  /// What contradicts the directory as it was found, or nil.
  ///
  /// Fields that are too narrow for their value hold its low bits in archives by tools that know no Zip64: those are let pass, since
  /// what counts was counted here.
  func disagreement(entries: UInt64, size: UInt64, offset: UInt64) -> String? {
    if end.entries == .max, let zip64 {
      if zip64.entries != entries { return "\(entries) entries were found where \(zip64.entries) are announced" }
    } else if end.entries != UInt16(truncatingIfNeeded: entries) {
      return "\(entries) entries were found where \(end.entries) are announced"
    }
    if directorySize != size, end.directorySize != UInt32(truncatingIfNeeded: size) {
      return "the central directory has \(size) bytes where \(directorySize) are announced"
    }
    if directoryOffset != offset, end.directoryOffset != UInt32(truncatingIfNeeded: offset) {
      return "the central directory begins at \(offset) where \(directoryOffset) is announced"
    }
    return nil
  }
}
