/// Finds the end records of an archive that can be read at any place.
enum EndFinder {
  /// Something that may be an end record, and where it stands.
  struct Candidate {
    let record: EndRecord
    let position: UInt64
  }

  /// What an end record says together with the Zip64 one that may belong to it.
  struct Resolved {
    let summary: EndSummary
    /// Where the central directory must end: at the Zip64 end record, or else at the end record.
    let directoryEnd: UInt64
  }

  /// The longest comment (APPNOTE 4.4.12 gives its length 16 bits) and the record itself.
  static let reach = 65_535 + RecordLength.end
  /// The signature may occur in a comment and in what follows the archive; an archive that has it more often is not worth the reads.
  private static let attempts = 8

  /// What may be an end record, the last one first.
  /// - Throws: `.notAZip` when the source is too short for one; what the source throws.
  static func candidates(_ source: any RandomAccessSource, readableFrom first: UInt64) throws -> [Candidate] {
    guard source.length >= UInt64(RecordLength.end) else {
      throw ArchiveFailure(.notAZip, "\(source.length) bytes are too few for an archive")
    }
    let count = Int(min(source.length - min(source.length, first), UInt64(reach)))
    let start = source.length - UInt64(count)
    let tail = try source.read(at: start, count: count)
    var found: [Candidate] = []
    guard tail.count >= RecordLength.end else { return [] }
    var index = tail.count - RecordLength.end
    while index >= 0, found.count < attempts {
      if tail[index] == UInt8(ascii: "P"), tail[index...].signature == Signature.end,
        let record = EndRecord(tail[index...]), record.commentLength <= tail.count - index - RecordLength.end
      {
        found.append(Candidate(record: record, position: start + UInt64(index)))
      }
      index -= 1
    }
    return found
  }

  static func resolve(_ candidate: Candidate, _ source: any RandomAccessSource) throws -> Resolved {
    let zip64 = try zip64(before: candidate.position, source)
    return Resolved(
      summary: EndSummary(end: candidate.record, zip64: zip64?.record),
      directoryEnd: zip64?.position ?? candidate.position)
  }

  /// The locator stands right before the end record (APPNOTE 4.3.6). The record it points to is looked for right before the locator,
  /// where it always is unless somebody uses the part of it that is reserved, and then there: what stands before the archive
  /// makes the locator point too far back, where a package would have to be fetched for nothing.
  private static func zip64(
    before position: UInt64, _ source: any RandomAccessSource
  ) throws -> (record: Zip64EndRecord, position: UInt64)? {
    let locatorLength = UInt64(RecordLength.zip64Locator)
    guard position >= locatorLength else { return nil }
    let locator = try source.read(at: position - locatorLength, count: RecordLength.zip64Locator)
    guard locator[...].signature == Signature.zip64Locator else { return nil }
    var cursor = ByteCursor(locator)
    cursor.skip(8)
    let announced = cursor.u64()
    let usual = position - locatorLength - min(position - locatorLength, UInt64(RecordLength.zip64End))
    for place in [usual, announced] where place < position {
      let bytes = try source.read(at: place, count: RecordLength.zip64End)
      if bytes[...].signature == Signature.zip64End, let record = Zip64EndRecord(bytes[...]) { return (record, place) }
    }
    return nil
  }
}
