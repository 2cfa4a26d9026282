/// What the zip's records say of one member.
struct ZipMember {
  var name: [UInt8]
  var method: SimulatedFile.Method
  var modified: Int64
  var crc: UInt32 = 0
  var compressedSize: UInt64 = 0
  var size: UInt64
  /// Where its local header begins.
  var offset: UInt64 = 0
  var usesDescriptor: Bool
  var isUTF8: Bool
  /// Whether its local header and descriptor are written in the zip64 form.
  var isWide: Bool
  var hasTimestamp: Bool

  /// Past this, a size is taken for a zip64 one. Somewhat below 2^32 - 1, because deflate may make what doesn't compress larger.
  static let wideThreshold: UInt64 = 0xfff0_0000

  init(_ file: SimulatedFile, style: ZipStyle) {
    name = file.name
    method = style.method ?? file.method
    modified = file.modified
    size = UInt64(file.size)
    usesDescriptor = style.sizes != .inLocalHeader
    isWide = style.zip64 || size >= Self.wideThreshold
    hasTimestamp = style.extendedTimestamps
    switch style.utf8Flag {
    case .always: isUTF8 = true
    case .never: isUTF8 = false
    case .whenNeeded: isUTF8 = file.name.contains { $0 >= 0x80 } && String(validating: file.name, as: UTF8.self) != nil
    }
  }

  private var flags: UInt16 { (usesDescriptor ? 0x0008 : 0) | (isUTF8 ? 0x0800 : 0) }
  private var methodNumber: UInt16 { method == .stored ? 0 : 8 }
  /// 4.5 for zip64, 2.0 for deflate (APPNOTE 4.4.3.2).
  private var versionNeeded: UInt16 { isWide ? 45 : 20 }
  private var isDirectory: Bool { name.last == UInt8(ascii: "/") }

  /// APPNOTE 4.3.7.
  var localHeader: [UInt8] {
    var out = Record()
    out.add32(0x0403_4b50)
    out.add16(versionNeeded)
    addCommon(to: &out)
    out.add32(usesDescriptor ? 0 : crc)
    // With zip64 both fields are all ones and the real sizes are in the extra field (4.5.3): zero there when a descriptor follows.
    out.add32(isWide ? 0xffff_ffff : usesDescriptor ? 0 : UInt32(compressedSize))
    out.add32(isWide ? 0xffff_ffff : usesDescriptor ? 0 : UInt32(size))
    var extra = Record()
    if isWide {
      extra.add16(0x0001)
      extra.add16(16)
      extra.add64(usesDescriptor ? 0 : size)
      extra.add64(usesDescriptor ? 0 : compressedSize)
    }
    addTimestamp(to: &extra)
    out.add16(UInt16(name.count))
    out.add16(UInt16(extra.bytes.count))
    return out.bytes + name + extra.bytes
  }

  /// APPNOTE 4.3.9; nothing for a member whose local header has said it all.
  func descriptor(signature: Bool) -> [UInt8] {
    var out = Record()
    if signature { out.add32(0x0807_4b50) }
    out.add32(crc)
    if isWide {
      out.add64(compressedSize)
      out.add64(size)
    } else {
      out.add32(UInt32(compressedSize))
      out.add32(UInt32(size))
    }
    return out.bytes
  }

  /// APPNOTE 4.3.12.
  var directoryHeader: [UInt8] {
    let wideOffset = isWide || offset >= 0xffff_ffff
    var out = Record()
    out.add32(0x0201_4b50)
    // Made by Unix (4.4.2.2), so that the mode below is believed.
    out.add16(0x0300 | 45)
    out.add16(wideOffset ? 45 : versionNeeded)
    addCommon(to: &out)
    out.add32(crc)
    out.add32(isWide ? 0xffff_ffff : UInt32(compressedSize))
    out.add32(isWide ? 0xffff_ffff : UInt32(size))
    var extra = Record()
    if wideOffset {
      extra.add16(0x0001)
      extra.add16(isWide ? 24 : 8)
      if isWide {
        extra.add64(size)
        extra.add64(compressedSize)
      }
      extra.add64(offset)
    }
    addTimestamp(to: &extra)
    out.add16(UInt16(name.count))
    out.add16(UInt16(extra.bytes.count))
    out.add16(0)  // comment
    out.add16(0)  // disk
    out.add16(0)  // internal attributes
    // The Unix mode in the upper half, MS-DOS's directory bit in the lower.
    out.add32(isDirectory ? 0o040755 << 16 | 0x10 : 0o100644 << 16)
    out.add32(wideOffset ? 0xffff_ffff : UInt32(offset))
    return out.bytes + name + extra.bytes
  }

  /// The fields that local and central headers share, from the flags to the date.
  private func addCommon(to out: inout Record) {
    let stamp = DOSTimestamp(modified)
    out.add16(flags)
    out.add16(methodNumber)
    out.add16(stamp.time)
    out.add16(stamp.date)
  }

  private func addTimestamp(to extra: inout Record) {
    guard hasTimestamp, let seconds = Int32(exactly: modified) else { return }
    extra.add16(0x5455)
    extra.add16(5)
    extra.bytes.append(1)  // the modification time is there, and nothing else
    extra.add32(UInt32(bitPattern: seconds))
  }
}

/// The records at the zip's end.
struct ZipEnd {
  var count: UInt64
  var directoryOffset: UInt64
  var directorySize: UInt64
  var zip64: Bool
  var comment: [UInt8]

  var bytes: [UInt8] {
    let wide = zip64 || count >= 0xffff || directoryOffset >= 0xffff_ffff || directorySize >= 0xffff_ffff
    var out = Record()
    if wide { addZip64(to: &out) }
    // APPNOTE 4.3.16.
    out.add32(0x0605_4b50)
    out.add16(0)
    out.add16(0)
    out.add16(wide ? 0xffff : UInt16(count))
    out.add16(wide ? 0xffff : UInt16(count))
    out.add32(wide ? 0xffff_ffff : UInt32(directorySize))
    out.add32(wide ? 0xffff_ffff : UInt32(directoryOffset))
    out.add16(UInt16(comment.count))
    return out.bytes + comment
  }

  /// APPNOTE 4.3.14 and 4.3.15.
  private func addZip64(to out: inout Record) {
    out.add32(0x0606_4b50)
    out.add64(44)  // the size of what follows of this record
    out.add16(0x0300 | 45)
    out.add16(45)
    out.add32(0)
    out.add32(0)
    out.add64(count)
    out.add64(count)
    out.add64(directorySize)
    out.add64(directoryOffset)
    out.add32(0x0706_4b50)
    out.add32(0)
    out.add64(directoryOffset + directorySize)
    out.add32(1)
  }
}

/// Little-endian fields one after the other.
struct Record {
  var bytes: [UInt8] = []

  mutating func add16(_ value: UInt16) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }
  mutating func add32(_ value: UInt32) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }
  mutating func add64(_ value: UInt64) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }
}

/// The MS-DOS date and time of a moment in UTC (APPNOTE 4.4.6), held to the years it can say: 1980 to 2107.
struct DOSTimestamp: Equatable {
  let date: UInt16
  let time: UInt16

  init(_ seconds: Int64) {
    // 1980-01-01 and 2107-12-31 23:59:58.
    let held = min(max(seconds, 315_532_800), 4_354_819_198)
    let days = held / 86_400
    let rest = Int(held % 86_400)
    // Days since 1970 to a civil date: shift the year's start to March, so that the leap day comes last, and count
    // 400-year eras of 146,097 days.
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    date = UInt16(year - 1980) << 9 | UInt16(month) << 5 | UInt16(day)
    time = UInt16(rest / 3_600) << 11 | UInt16(rest / 60 % 60) << 5 | UInt16(rest % 60 / 2)
  }
}
