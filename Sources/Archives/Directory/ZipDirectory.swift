import Tasks

/// The list of contents of an archive that can be read at any place, from its central directory alone.
///
/// Local headers are not read, so that listing an archive over a network takes two or three requests, not one a member.
public struct ZipDirectory: Sendable {
  /// A file of the archive, and where its content lies.
  public struct File: Sendable {
    public let member: ArchiveMember
    /// Of the local header, from the start of the source. The content begins behind that header, whose length only it tells;
    /// see ``LocalHeaderCheck``.
    public let headerOffset: UInt64
    /// Where the next header, or the central directory, begins: header and content end there or before.
    public let limit: UInt64
    public let compressedSize: ByteCount
    /// APPNOTE 4.4.5.
    public let compressionMethod: UInt16
    /// Why it can't be opened, or nil: it is encrypted, or its compression method is not known here.
    public let refusal: ArchiveFailure?
  }

  /// A directory that the archive lists by itself.
  public struct Directory: Sendable {
    public let path: MemberPath
    public let modified: ArchiveTime
  }

  /// In the order of the bytes.
  public let files: [File]
  public let directories: [Directory]

  /// Reads the end of the archive and its central directory; blocks as long as the source does.
  /// - Throws: ``ArchiveFailure``, or what the source throws.
  public init(reading source: any RandomAccessSource, options: ArchiveOptions) throws {
    try self.init(CentralDirectory(source, limits: options.limits), options: options)
  }

  init(_ central: CentralDirectory, options: ArchiveOptions) throws(ArchiveFailure) {
    let namer = MemberNamer(options)
    let limits = central.limits
    var files: [File] = []
    var directories: [Directory] = []
    for (index, entry) in central.entries.enumerated() {
      switch try namer.next(entry.fields, isSizeKnown: true) {
      case .directory(let path, let modified):
        if let path { directories.append(Directory(path: path, modified: modified)) }
      case .file(let member):
        // Of several entries for one content the first has it, as when the archive is read as a stream.
        let isRepeated = index > 0 && central.entries[index - 1].offset == entry.offset
        files.append(File(member, entry, limit: limits[index], isRepeated: isRepeated))
      }
    }
    self.files = files
    self.directories = directories
  }
}

extension ZipDirectory.File {
  init(_ member: ArchiveMember, _ entry: CentralDirectory.Entry, limit: UInt64, isRepeated: Bool) {
    let fields = entry.fields
    self.init(
      member: member.with(size: fields.size, crc32: fields.crc32), headerOffset: entry.offset, limit: limit,
      compressedSize: ByteCount(Int64(clamping: fields.compressedSize)), compressionMethod: fields.method,
      refusal: fields.refusal ?? Self.refusal(entry, limit: limit, isRepeated: isRepeated))
  }

  /// What the directory alone shows to be wrong.
  private static func refusal(
    _ entry: CentralDirectory.Entry, limit: UInt64, isRepeated: Bool
  ) -> ArchiveFailure? {
    if entry.fields.method == Method.stored, entry.fields.compressedSize != entry.fields.size {
      return ArchiveFailure(.badStructure, "it is stored, but its two sizes differ")
    }
    let room = limit - min(limit, entry.offset)
    let header = UInt64(RecordLength.localHeader)
    guard !isRepeated, room >= header, entry.fields.compressedSize <= room - header else {
      return ArchiveFailure(.badStructure, "its content overlaps with that of another member")
    }
    return nil
  }
}
