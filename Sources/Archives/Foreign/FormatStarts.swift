// How the formats begin that are told apart by their first bytes.

/// A member, the end record of an empty archive, or the mark of an archive that was split or was to be (APPNOTE 4.3.7, 4.3.16, 8.5.3, 8.5.5).
enum ZipStart {
  static func matches(_ bytes: [UInt8]) -> Bool {
    let first = bytes[...].signature
    if first == Signature.localHeader || first == Signature.end { return true }
    guard first == Signature.singleSegment || first == Signature.dataDescriptor else { return false }
    return bytes.dropFirst(4).signature == Signature.localHeader
  }
}

/// 7zFormat.txt, "SignatureHeader".
enum SevenZipStart {
  static func matches(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]) }
}

/// A header of tar in any of its dialects (POSIX.1-2017 pax, "ustar Interchange Format"): they share the name in front and the checksum.
enum TarStart {
  static let length = 512
  private static let checksum = 148..<156

  static func matches(_ bytes: [UInt8]) -> Bool {
    guard bytes.count >= length, bytes[0] != 0, let announced = octal(bytes[checksum]) else { return false }
    // The field itself counts as spaces. Some have summed up signed characters.
    var (sum, signedSum) = (0, 0)
    for (index, byte) in bytes[..<length].enumerated() {
      let value = checksum.contains(index) ? UInt8(ascii: " ") : byte
      sum += Int(value)
      signedSum += Int(Int8(bitPattern: value))
    }
    return announced == sum || announced == signedSum
  }

  /// Digits with spaces before, and spaces or NUL behind.
  private static func octal(_ field: ArraySlice<UInt8>) -> Int? {
    let digits = field.drop { $0 == UInt8(ascii: " ") }.prefix { (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }
    guard !digits.isEmpty, field[digits.endIndex...].allSatisfy({ $0 == 0 || $0 == UInt8(ascii: " ") }) else {
      return nil
    }
    return digits.reduce(0) { $0 * 8 + Int($1 - UInt8(ascii: "0")) }
  }
}

/// The headers of cpio that are text (POSIX.1-2017 pax, "cpio Interchange Format"; "newc"). The binary one has too short a mark to be told
/// from other files.
enum CpioStart {
  static func matches(_ bytes: [UInt8]) -> Bool {
    func holdsDigits(_ count: Int, _ isDigit: (UInt8) -> Bool) -> Bool {
      bytes.count >= count && bytes[6..<count].allSatisfy(isDigit)
    }
    if bytes.starts(with: Array("070707".utf8)) {
      return holdsDigits(76) { (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }
    }
    guard bytes.starts(with: Array("070701".utf8)) || bytes.starts(with: Array("070702".utf8)) else { return false }
    return holdsDigits(110) { Character(Unicode.Scalar($0)).isHexDigit }
  }
}
