/// The central directory of an archive that can be read at any place, as it stands there.
struct CentralDirectory {
  struct Entry {
    let fields: EntryFields
    /// Of the local header, from the start of the source.
    let offset: UInt64
  }

  /// In the order of the bytes they describe.
  let entries: [Entry]
  /// Where the directory begins: no content reaches beyond.
  let start: UInt64
  /// What stands before the archive, in bytes: offsets in the archive count from there.
  let base: UInt64

  /// For each entry, where the next header, or the directory, begins.
  var limits: [UInt64] {
    var limits = [UInt64](repeating: start, count: entries.count)
    for index in entries.indices.dropLast().reversed() {
      let next = entries[index + 1].offset
      limits[index] = next > entries[index].offset ? min(next, limits[index + 1]) : limits[index + 1]
    }
    return limits
  }

  /// - Parameters:
  ///   - mayHavePrefix: whether something else may stand before the archive.
  ///   - first: the first offset that can be read; what is before it has gone by.
  init(
    _ source: any RandomAccessSource, limits: ArchiveLimits, mayHavePrefix: Bool = true, readableFrom first: UInt64 = 0
  ) throws {
    var failure: ArchiveFailure?
    for candidate in try EndFinder.candidates(source, readableFrom: first) {
      do {
        let end = try EndFinder.resolve(candidate, source)
        self = try Self.read(source, end, limits: limits, mayHavePrefix: mayHavePrefix)
        return
      } catch let refusal as ArchiveFailure where refusal.kind == .badStructure {
        failure = failure ?? refusal
      }
    }
    throw failure ?? ArchiveFailure(.truncated, "the end of the archive is missing")
  }

  private init(entries: [Entry], start: UInt64, base: UInt64) {
    self.entries = entries
    self.start = start
    self.base = base
  }

  private static func read(
    _ source: any RandomAccessSource, _ end: EndFinder.Resolved, limits: ArchiveLimits, mayHavePrefix: Bool
  ) throws -> CentralDirectory {
    let size = end.summary.directorySize
    guard size <= end.directoryEnd else {
      throw ArchiveFailure(.badStructure, "the central directory is larger than the archive")
    }
    guard size <= UInt64(limits.directorySize.bytes) else {
      throw ArchiveFailure(.limitExceeded, "the central directory has more than \(limits.directorySize) bytes")
    }
    let place = try place(of: end, source, mayHavePrefix: mayHavePrefix)
    let found = try entries(source, place, limits: limits)
    let found16 = UInt16(truncatingIfNeeded: found.count)
    let announced = end.summary.end.entries
    guard announced == found16 || announced == .max && end.summary.zip64?.entries == UInt64(found.count) else {
      throw ArchiveFailure(.badStructure, "the central directory has \(found.count) entries, not as many as announced")
    }
    let sorted = found.enumerated().sorted { ($0.element.offset, $0.offset) < ($1.element.offset, $1.offset) }
    return CentralDirectory(entries: sorted.map(\.element), start: place.start, base: place.base)
  }

  private struct Place {
    let start: UInt64
    let size: UInt64
    let base: UInt64
  }

  /// Right before the end records, with everything moved by what stands before the archive; else literally where they say, for
  /// archives with padding between.
  private static func place(
    of end: EndFinder.Resolved, _ source: any RandomAccessSource, mayHavePrefix: Bool
  ) throws -> Place {
    let (size, offset) = (end.summary.directorySize, end.summary.directoryOffset)
    let start = end.directoryEnd - size
    if start >= offset, start == offset || mayHavePrefix, try size == 0 || isDirectory(source, at: start) {
      return Place(start: start, size: size, base: start - offset)
    }
    if offset <= start, try isDirectory(source, at: offset) { return Place(start: offset, size: size, base: 0) }
    throw ArchiveFailure(.badStructure, "no central directory is where the end of the archive says")
  }

  private static func isDirectory(_ source: any RandomAccessSource, at offset: UInt64) throws -> Bool {
    try source.read(at: offset, count: 4)[...].signature == Signature.centralHeader
  }

  private static func entries(
    _ source: any RandomAccessSource, _ place: Place, limits: ArchiveLimits
  ) throws -> [Entry] {
    let bytes = try source.read(at: place.start, count: Int(place.size))
    var rest = bytes[...]
    var entries: [Entry] = []
    while rest.count >= RecordLength.centralHeader, rest.signature == Signature.centralHeader {
      let length = CentralEntry.length(rest)
      guard let entry = CentralEntry(rest.prefix(length)) else {
        throw ArchiveFailure(.badStructure, "entry \(entries.count) of the central directory is cut off")
      }
      guard entries.count < limits.members else {
        throw ArchiveFailure(.limitExceeded, "the archive has more than \(limits.members) members")
      }
      let (offset, isBeyond) = entry.offset.addingReportingOverflow(place.base)
      entries.append(Entry(fields: entry.fields, offset: isBeyond ? .max : offset))
      rest = rest.dropFirst(length)
    }
    guard rest.isEmpty || rest.signature == Signature.digitalSignature else {
      throw ArchiveFailure(.badStructure, "the central directory is damaged behind its entry \(entries.count)")
    }
    return entries
  }
}
