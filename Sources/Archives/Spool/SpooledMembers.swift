import Tasks

// What the reader does at the end with the part of the stream that was kept aside.
extension ZipStreamReader {
  /// Size in bytes of the pieces in which contents are read back.
  private static let pieceSize = 256 << 10

  func extract(from spooling: Spooling) throws {
    let source = SpoolSource(spooling.spool, start: spooling.start)
    let central: CentralDirectory
    do {
      central = try CentralDirectory(
        source, limits: options.limits, mayHavePrefix: !startsWithRecord, readableFrom: spooling.start)
    } catch let failure as ArchiveFailure {
      try settleUndecided(spooling.undecided, nil)
      let failure = named(failure)
      if failure.kind == .truncated { try salvage(spooling) }
      throw failure
    }
    let firstInSpool = central.entries.firstIndex { $0.offset >= spooling.start } ?? central.entries.endIndex
    let before = central.entries[..<firstInSpool]
    try settleUndecided(spooling.undecided, before.first { $0.offset == spooling.undecided?.offset }?.fields)
    for entry in before {
      ledger.check(entry.fields, offset: entry.offset, name: namer.display(entry.fields))
    }
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceSize, alignment: 64)
    defer { piece.deallocate() }
    var extraction = Extraction(source: source, end: central.start, piece: piece)
    for entry in central.entries[firstInSpool...] { try extract(entry, &extraction) }
    ledger.checkAllListed()
    if let disagreement = ledger.disagreement { throw disagreement }
  }

  /// No end was found: whether that is a zip cut short or no zip at all shows in how the stream began.
  private func named(_ failure: ArchiveFailure) -> ArchiveFailure {
    switch failure.kind {
    case .truncated where !startsWithRecord, .notAZip where !startsWithRecord:
      ArchiveFailure(.notAZip, "nothing in it looks like a zip archive")
    case .notAZip,
      .badStructure where startsWithRecord:
      // With its end missing, the end of an archive inside it may have been found instead.
      ArchiveFailure(.truncated, "the end of the archive is missing: \(failure.reason)")
    default: failure
    }
  }

  /// The descriptor did not confirm the content that had just been delivered; the central directory may.
  func settleUndecided(_ open: OpenMember?, _ central: EntryFields?) throws {
    guard let open else { return }
    ledger.append(open.record)
    if let central, open.record.disagreement(with: central) == nil { return try settle(open, nil) }
    try settle(open, ArchiveFailure(.badChecksum, "the content does not match the checksum and sizes behind it"))
  }

  /// Where contents are read from.
  private struct Extraction {
    let source: SpoolSource
    /// Where the central directory begins.
    let end: UInt64
    let piece: UnsafeMutableRawBufferPointer
    /// The end of the content furthest back so far: contents that overlap are how small archives hold petabytes.
    var reached: UInt64 = 0
  }

  private func extract(_ entry: CentralDirectory.Entry, _ extraction: inout Extraction) throws {
    let (header, refusal) = try localHeader(of: entry, &extraction)
    let fields = header?.fields ?? entry.fields
    guard case .file(let named) = try listed(fields) else { return }
    let member = named.with(size: entry.fields.size, crc32: entry.fields.crc32)
    if let refusal = refusal ?? entry.fields.refusal { return try delivery.failed(member, refusal) }
    let start = entry.offset + UInt64(header?.length ?? 0)
    try delivery.began(member)
    if let failure = try decode(entry.fields, at: start, member, extraction) {
      try delivery.failed(member, failure)
    } else {
      try delivery.ended(member)
    }
  }

  private func listed(_ fields: EntryFields) throws -> MemberNamer.Entry {
    let entry = try namer.next(fields, isSizeKnown: true)
    if case .directory(let path?, let modified) = entry { try delivery.directory(path, modified: modified) }
    return entry
  }

  /// The header in front of the content, and why the content can't be read by what it says.
  private func localHeader(
    of entry: CentralDirectory.Entry, _ extraction: inout Extraction
  ) throws -> (LocalHeader?, ArchiveFailure?) {
    let fixed = try extraction.source.read(at: entry.offset, count: RecordLength.localHeader)
    guard fixed.count == RecordLength.localHeader, fixed[...].signature == Signature.localHeader else {
      return (nil, ArchiveFailure(.badStructure, "no header is where the central directory says"))
    }
    let length = LocalHeader.length(fixed[...])
    let bytes = try extraction.source.read(at: entry.offset, count: length)
    guard let header = LocalHeader(bytes[...]) else {
      return (nil, ArchiveFailure(.badStructure, "its header is cut off"))
    }
    if let difference = EntryRecord(header.fields, offset: entry.offset).disagreement(with: entry.fields) {
      // Shown as the central directory has it, which is what was asked.
      return (nil, ArchiveFailure(.badStructure, "the central directory has \(difference) than its header"))
    }
    let start = entry.offset + UInt64(length)
    let (end, isBeyond) = start.addingReportingOverflow(entry.fields.compressedSize)
    guard !isBeyond, end <= extraction.end else {
      return (header, ArchiveFailure(.badStructure, "its content would reach beyond the members of the archive"))
    }
    guard entry.offset >= extraction.reached else {
      return (header, ArchiveFailure(.badStructure, "its content overlaps with that of another member"))
    }
    extraction.reached = end
    return (header, nil)
  }

  private func decode(
    _ fields: EntryFields, at start: UInt64, _ member: ArchiveMember, _ extraction: Extraction
  ) throws -> ArchiveFailure? {
    let output: (UnsafeRawBufferPointer) throws -> Void = { [delivery] in try delivery.data($0, of: member) }
    switch Route(fields.withoutDescriptor) {
    case .refused(let failure, _): return failure
    case .undelimited: return ArchiveFailure(.encrypted, "its header is encrypted")
    case .foreign(let compressedSize):
      let decoder = ForeignDecoder(fields, compressedSize: compressedSize)
      let outcome = try decoder.decode(
        extraction.source.spool, at: start - extraction.source.start, output: output)
      if case .damaged(let failure) = outcome { return failure }
      return nil
    case .content(let encoding, _):
      inflater.start()
      var content = MemberContent(encoding, compressedSize: fields.compressedSize, expectedSize: fields.size)
      var failure: ArchiveFailure?
      var hasEnded = fields.compressedSize == 0
      _ = try extraction.source.forEachPiece(
        at: start, count: fields.compressedSize, buffer: extraction.piece
      ) { piece in
        var rest = piece
        switch try content.feed(&rest, inflater, output: output) {
        case .needsInput: return true
        case .ended: hasEnded = true
        case .damaged(let damage): failure = damage
        }
        return false
      }
      if let failure { return failure }
      guard hasEnded else { return ArchiveFailure(.badStructure, "its content is cut off") }
      return content.verdict(size: fields.size, crc32: fields.crc32)
    }
  }
}
