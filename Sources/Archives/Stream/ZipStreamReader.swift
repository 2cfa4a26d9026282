import Tasks

/// Takes a zip archive apart while it arrives.
///
/// Local headers are followed as they come (APPNOTE.TXT 6.3.10, 4.3.6), each content is decoded and checked, and the central
/// directory is held against what was found. Where the stream can't tell how long a content is (stored with a data descriptor, 4.4.4
/// bit 3), or something other than a zip's records goes by, the rest is kept aside, and the central directory decides at the end.
///
/// Blocks in the sink, on the spool and in libarchive; confined to one thread.
public final class ZipStreamReader {
  enum Phase {
    /// The signature of some record comes next.
    case record
    case content(OpenMember)
    case descriptor(OpenMember)
    /// An empty member, whose checksum proves nothing: it has ended if another record follows.
    case emptyEnd(OpenMember)
    case foreign(ForeignMember)
    case skip(UInt64)
    /// The archive's comment, so many bytes.
    case comment(UInt64)
    /// The archive is whole; whatever comes is not part of it.
    case trailing
    case spooling(Spooling)
  }

  /// A member whose raw bytes are collected for libarchive.
  struct ForeignMember {
    let header: LocalHeader
    let offset: UInt64
    let member: ArchiveMember?
    var left: UInt64
  }

  /// The stream from some place on is kept aside.
  struct Spooling {
    let spool: SpoolFile
    let start: UInt64
    /// A member that was delivered, but whose descriptor does not confirm it: the central directory must.
    let undecided: OpenMember?
  }

  let options: ArchiveOptions
  let delivery: Delivery
  let namer: MemberNamer
  let inflater = Inflater()
  var ledger = EntryLedger()
  var directory = StreamedDirectory()
  var phase = Phase.record
  /// Bytes that have arrived and belong to a record that is not complete.
  var record = RecordBuffer()
  /// Where in the stream the first byte stands that has not been dealt with.
  var position: UInt64 = 0
  /// Whether the stream started with a zip's record, so that nothing stands before the archive.
  var startsWithRecord = false
  /// What was kept aside, once it is known that the central directory will never come.
  var salvage: Salvage?
  /// Raw bytes of one member for libarchive, used again for the next.
  var collected: SpoolFile?
  private var failure: (any Error)?
  private var isFinished = false

  public init(options: ArchiveOptions, sink: any ArchiveSink) {
    self.options = options
    delivery = Delivery(sink, limits: options.limits)
    namer = MemberNamer(options)
  }

  /// The sum of the original sizes so far, in bytes: what was delivered, and for what could not be, what its header says.
  public var totalSize: ByteCount { delivery.total }

  /// Takes the next bytes of the stream; any number of them.
  /// - Throws: ``ArchiveFailure`` where the archive can't be followed any further, or what the sink threw. The reader is done
  ///   for then, and throws the same again.
  public func consume(_ bytes: UnsafeRawBufferPointer) throws {
    if let failure { throw failure }
    do {
      var input = bytes
      while try advance(&input) {}
    } catch {
      failure = error
      throw error
    }
  }

  /// The stream has ended. Members that only the central directory could tell are delivered now. Worth calling for a stream that broke,
  /// too: without the directory, what is whole beyond doubt of what was kept aside is delivered before the error is thrown.
  /// - Throws: `.truncated` unless the archive's own end has been seen, `.notAZip` if nothing of an archive has, `.badStructure` naming the
  ///   member if the central directory and the members disagree; or what the sink threw.
  public func finish() throws {
    if let failure { throw failure }
    guard !isFinished else { return }
    isFinished = true
    do {
      try end()
    } catch {
      failure = error
      throw error
    }
  }

  /// One step. Returns false when more input is needed for the next.
  func advance(_ input: inout UnsafeRawBufferPointer) throws -> Bool {
    switch phase {
    case .record: return try takeRecord(&input)
    case .descriptor(let open): return try takeDescriptor(of: open, &input)
    case .emptyEnd(let open): return try takeEmptyEnd(of: open, &input)
    case .content, .foreign, .skip, .comment, .trailing, .spooling:
      guard !record.isEmpty else { return try takeData(&input) }
      // Bytes that were gathered for a record and turned out to belong to what follows it.
      let held = record.takeAll()
      return try held.withUnsafeBytes { held in
        var rest = held
        _ = try takeData(&rest)
        record.append(rest)
        return true
      }
    }
  }

  private func takeData(_ input: inout UnsafeRawBufferPointer) throws -> Bool {
    switch phase {
    case .record, .descriptor, .emptyEnd: return true
    case .content(let open): return try takeContent(of: open, &input)
    case .foreign(let foreign): return try takeForeign(foreign, &input)
    case .skip(let count): return take(count, of: &input, then: .record) { .skip($0) }
    case .comment(let count): return take(count, of: &input, then: .trailing) { .comment($0) }
    case .trailing:
      position += UInt64(input.count)
      directory.scanTrailing(input)
      input = UnsafeRawBufferPointer(start: nil, count: 0)
      return false
    case .spooling(let spooling):
      try spooling.spool.append(input)
      input = UnsafeRawBufferPointer(start: nil, count: 0)
      return false
    }
  }

  private func take(
    _ count: UInt64, of input: inout UnsafeRawBufferPointer, then next: Phase, else more: (UInt64) -> Phase
  ) -> Bool {
    let taken = min(count, UInt64(input.count))
    position += taken
    input = UnsafeRawBufferPointer(rebasing: input[Int(taken)...])
    phase = taken == count ? next : more(count - taken)
    return taken == count
  }

  /// Keeps aside everything from ``position`` on.
  func startSpooling(undecided: OpenMember? = nil) throws {
    guard salvage == nil else {
      try settleUndecided(undecided, nil)
      throw Salvage.Exhausted()
    }
    let spool = try SpoolFile(directory: options.spoolDirectory, limits: options.limits)
    phase = .spooling(Spooling(spool: spool, start: position, undecided: undecided))
  }

  private func end() throws {
    if case .descriptor(let open) = phase { try takeLastDescriptor(of: open) }
    switch phase {
    case .trailing:
      if let disagreement = ledger.disagreement ?? directory.trailingFailure { throw disagreement }
    case .spooling(let spooling):
      try extract(from: spooling)
    case .record where position == 0 && record.isEmpty:
      throw ArchiveFailure(.notAZip, "there is nothing in the archive, not even its end")
    case .record, .content, .descriptor, .emptyEnd, .foreign, .skip, .comment:
      throw ArchiveFailure(.truncated, "the archive ends before its own end, after \(position) bytes")
    }
  }
}
