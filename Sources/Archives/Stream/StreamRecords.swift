import Tasks

// What the reader does with the records between the contents.
extension ZipStreamReader {
  func takeRecord(_ input: inout UnsafeRawBufferPointer) throws -> Bool {
    guard record.gather(4, from: &input) else { return false }
    switch record.slice.signature {
    case Signature.localHeader where !directory.hasBegun: return try takeLocalHeader(&input)
    case Signature.centralHeader: return try takeCentralEntry(&input)
    case Signature.digitalSignature where directory.hasBegun: return takeDigitalSignature(&input)
    case Signature.zip64End: return try takeZip64End(&input)
    case Signature.zip64Locator where directory.zip64 != nil:
      guard record.gather(RecordLength.zip64Locator, from: &input) else { return false }
      drop(RecordLength.zip64Locator)
      return true
    case Signature.end: return takeEnd(&input)
    case Signature.singleSegment where position == 0, Signature.dataDescriptor where position == 0:
      // The mark of an archive that was split, or was to be (APPNOTE 8.5.3, 8.5.5).
      drop(4)
      return true
    default:
      guard !directory.hasBegun else {
        throw ArchiveFailure(.badStructure, "the central directory is damaged at \(position)")
      }
      try startSpooling()
      return true
    }
  }

  private func drop(_ count: Int) {
    record.drop(count)
    position += UInt64(count)
  }

  private func takeLocalHeader(_ input: inout UnsafeRawBufferPointer) throws -> Bool {
    startsWithRecord = true
    guard record.gather(RecordLength.localHeader, from: &input) else { return false }
    let length = LocalHeader.length(record.slice)
    guard record.gather(length, from: &input), let header = LocalHeader(record.slice.prefix(length)) else {
      return false
    }
    guard !header.fields.isPadding else {
      drop(length)
      return true
    }
    let route = salvage?.route(header, at: position) ?? Route(header.fields)
    if case .undelimited = route {
      try startSpooling()
      return true
    }
    let offset = position
    drop(length)
    try begin(header, at: offset, route)
    return true
  }

  private func takeCentralEntry(_ input: inout UnsafeRawBufferPointer) throws -> Bool {
    guard record.gather(RecordLength.centralHeader, from: &input) else { return false }
    let length = CentralEntry.length(record.slice)
    guard record.gather(length, from: &input), let entry = CentralEntry(record.slice.prefix(length)) else {
      return false
    }
    directory.took(entry, at: position)
    ledger.check(entry.fields, offset: entry.offset, name: namer.display(entry.fields))
    drop(length)
    return true
  }

  private func takeDigitalSignature(_ input: inout UnsafeRawBufferPointer) -> Bool {
    guard record.gather(RecordLength.digitalSignature, from: &input) else { return false }
    var cursor = ByteCursor(record.slice)
    cursor.skip(4)
    let length = UInt64(cursor.u16())
    drop(RecordLength.digitalSignature)
    phase = .skip(length)
    return true
  }

  private func takeZip64End(_ input: inout UnsafeRawBufferPointer) throws -> Bool {
    guard record.gather(12, from: &input) else { return false }
    guard let length = Zip64EndRecord.length(record.slice) else {
      throw ArchiveFailure(.badStructure, "the Zip64 end of the central directory is damaged at \(position)")
    }
    guard record.gather(length, from: &input), let end = Zip64EndRecord(record.slice) else { return false }
    directory.took(end, at: position)
    drop(length)
    return true
  }

  private func takeEnd(_ input: inout UnsafeRawBufferPointer) -> Bool {
    guard record.gather(RecordLength.end, from: &input), let end = EndRecord(record.slice) else { return false }
    ledger.checkAllListed()
    if let difference = directory.disagreement(with: end, at: position) { ledger.note(difference) }
    drop(RecordLength.end)
    phase = .comment(UInt64(end.commentLength))
    return true
  }
}

/// What went by of the central directory, to be held against the records at its end.
struct StreamedDirectory {
  private var entries: UInt64 = 0
  private var start: UInt64?
  /// Where the Zip64 end record stood, which is where the directory ended.
  private var end: UInt64?
  private(set) var zip64: Zip64EndRecord?
  private(set) var trailingFailure: ArchiveFailure?
  private var lastBytes: [UInt8] = []

  /// From here on no member may come.
  var hasBegun: Bool { start != nil }

  mutating func took(_ entry: CentralEntry, at position: UInt64) {
    start = start ?? position
    entries += 1
  }

  mutating func took(_ record: Zip64EndRecord, at position: UInt64) {
    start = start ?? position
    end = end ?? position
    zip64 = zip64 ?? record
  }

  func disagreement(with record: EndRecord, at position: UInt64) -> String? {
    let end = end ?? position
    let start = start ?? end
    return EndSummary(end: record, zip64: zip64).disagreement(entries: entries, size: end - start, offset: start)
  }

  /// A second end behind the first: what is in the archive then depends on which one a reader takes, and other readers take the last.
  mutating func scanTrailing(_ bytes: UnsafeRawBufferPointer) {
    guard trailingFailure == nil else { return }
    let head = lastBytes + bytes.prefix(3)
    if Self.holdsEnd(head) || Self.holdsEnd(bytes) {
      trailingFailure = ArchiveFailure(.badStructure, "another archive follows behind the end of this one")
    }
    lastBytes = Array((lastBytes + bytes.suffix(3)).suffix(3))
  }

  private static func holdsEnd(_ bytes: some Collection<UInt8>) -> Bool {
    var rest = bytes[...]
    while let index = rest.firstIndex(of: UInt8(ascii: "P")) {
      rest = rest[index...]
      if rest.starts(with: [0x50, 0x4b, 0x05, 0x06]) { return true }
      rest = rest.dropFirst()
    }
    return false
  }
}
