import Tasks

/// The list of contents of an archive that can be read at any place, from its central directory alone.
///
/// Local headers are not read, so that listing an archive over a network takes two or three requests, not one a member.
public struct ZipDirectory: Sendable {
  /// A file of the archive, and where its content lies.
  public struct File: Sendable {
    public let member: ArchiveMember
    /// Of the local header, from the start of the source. The content begins behind that header, whose length only it tells.
    public let headerOffset: UInt64
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
    let central = try CentralDirectory(source, limits: options.limits)
    let namer = MemberNamer(options)
    var files: [File] = []
    var directories: [Directory] = []
    for entry in central.entries {
      switch try namer.next(entry.fields, isSizeKnown: true) {
      case .directory(let path, let modified):
        if let path { directories.append(Directory(path: path, modified: modified)) }
      case .file(let member):
        files.append(
          File(
            member: member.with(size: entry.fields.size, crc32: entry.fields.crc32), headerOffset: entry.offset,
            compressedSize: ByteCount(Int64(clamping: entry.fields.compressedSize)),
            compressionMethod: entry.fields.method, refusal: entry.fields.refusal))
      }
    }
    self.files = files
    self.directories = directories
  }
}
