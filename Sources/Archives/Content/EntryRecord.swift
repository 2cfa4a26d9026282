/// What was found of an entry in front of and behind its content, to be held against the central directory.
///
/// Small, as there may be a million of them: the name is kept as a hash, so that only an attacker could make two names pass for one,
/// and the name that he would have shown is the one in front of the content either way.
struct EntryRecord {
  /// Of the local header, in the stream.
  let offset: UInt64
  private let nameHash: UInt64
  private let method: UInt16
  private let isEncrypted: Bool
  /// Whether checksum and sizes are known; they are not for content that could not be read and whose header left them out.
  let isMeasured: Bool
  private let crc32: UInt32
  private let compressedSize: UInt64
  private let size: UInt64
  var isListed = false

  /// For content that was not read: all there is to go by is the header.
  init(_ fields: EntryFields, offset: UInt64) {
    self.init(
      fields, offset: offset, crc32: fields.crc32, compressedSize: fields.compressedSize, size: fields.size,
      isMeasured: !fields.hasDescriptor)
  }

  /// For content that was read.
  init(_ fields: EntryFields, offset: UInt64, content: MemberContent) {
    self.init(
      fields, offset: offset, crc32: content.checksum,
      compressedSize: fields.hasDescriptor ? content.consumed : fields.compressedSize, size: content.produced,
      isMeasured: true)
  }

  private init(
    _ fields: EntryFields, offset: UInt64, crc32: UInt32, compressedSize: UInt64, size: UInt64, isMeasured: Bool
  ) {
    self.offset = offset
    nameHash = Self.hash(fields.name)
    method = fields.method
    isEncrypted = fields.isEncrypted
    self.isMeasured = isMeasured
    self.crc32 = crc32
    self.compressedSize = compressedSize
    self.size = size
  }

  /// How the central directory contradicts what was found, or nil (APPNOTE 4.3.12: its fields repeat the local header's).
  func disagreement(with central: EntryFields) -> String? {
    if Self.hash(central.name) != nameHash { return "another name" }
    if central.method != method { return "another compression method" }
    if central.isEncrypted != isEncrypted { return "another word on encryption" }
    guard isMeasured else { return nil }
    if central.crc32 != crc32 { return "another checksum" }
    if !Self.agree(central.size, size) { return "another size" }
    if !Self.agree(central.compressedSize, compressedSize) { return "another compressed size" }
    return nil
  }

  /// Sizes of more than 4 GiB keep their low bits where the writer knew no Zip64.
  static func agree(_ announced: UInt64, _ found: UInt64) -> Bool {
    announced == found || announced == found & UInt64(UInt32.max)
  }

  /// IZArc and old .NET write one header with `/` and the other with `\`.
  private static func hash(_ name: [UInt8]) -> UInt64 {
    var hash = StableHash()
    hash.combine(name.lazy.map { $0 == UInt8(ascii: "\\") ? UInt8(ascii: "/") : $0 })
    return hash.value
  }
}

/// All entries that went by in the stream, and whether the central directory agrees with them.
struct EntryLedger {
  private var records: [EntryRecord] = []
  /// The first contradiction that was found.
  private(set) var disagreement: ArchiveFailure?

  var count: Int { records.count }

  /// Offsets come in rising order, as the stream does.
  mutating func append(_ record: EntryRecord) {
    records.append(record)
  }

  /// Holds an entry of the central directory against the one that begins at `offset`.
  mutating func check(_ central: EntryFields, offset: UInt64, name: @autoclosure () -> String) {
    guard let index = index(of: offset) else {
      return note("the central directory lists `\(name())` at \(offset), where no member begins")
    }
    if records[index].isListed { return note("the central directory lists the member at \(offset) twice") }
    records[index].isListed = true
    if let difference = records[index].disagreement(with: central) {
      note("the central directory has \(difference) for `\(name())` than was found before its content")
    }
  }

  /// To be called when the whole central directory has been held against it.
  mutating func checkAllListed() {
    guard let missing = records.first(where: { !$0.isListed }) else { return }
    note("the central directory does not list the member at \(missing.offset)")
  }

  mutating func note(_ reason: String) {
    if disagreement == nil { disagreement = ArchiveFailure(.badStructure, reason) }
  }

  private func index(of offset: UInt64) -> Int? {
    var range = 0..<records.count
    while !range.isEmpty {
      let middle = range.lowerBound + range.count / 2
      if records[middle].offset == offset { return middle }
      range = records[middle].offset < offset ? middle + 1..<range.upperBound : range.lowerBound..<middle
    }
    return nil
  }
}
