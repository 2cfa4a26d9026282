/// The first four bytes of each kind of record, as little-endian numbers, with the section of APPNOTE.TXT 6.3.10 that names it.
enum Signature {
  /// 4.3.7
  static let localHeader: UInt32 = 0x0403_4b50
  /// 4.3.9.3; optional there
  static let dataDescriptor: UInt32 = 0x0807_4b50
  /// 4.3.11; only written together with central directory encryption
  static let archiveExtraData: UInt32 = 0x0806_4b50
  /// 4.3.12
  static let centralHeader: UInt32 = 0x0201_4b50
  /// 4.3.13
  static let digitalSignature: UInt32 = 0x0505_4b50
  /// 4.3.14
  static let zip64End: UInt32 = 0x0606_4b50
  /// 4.3.15
  static let zip64Locator: UInt32 = 0x0706_4b50
  /// 4.3.16
  static let end: UInt32 = 0x0605_4b50
  /// 8.5.5: an archive that was prepared to be split and then fitted into one piece starts with this.
  static let singleSegment: UInt32 = 0x3030_4b50
}

/// Lengths in bytes of the fixed parts of records, signatures included.
enum RecordLength {
  static let localHeader = 30
  static let centralHeader = 46
  static let digitalSignature = 6
  static let zip64End = 56
  static let zip64Locator = 20
  static let end = 22
}
