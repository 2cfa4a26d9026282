import Tasks

/// Names and numbers what an archive holds, in the order of its bytes.
final class MemberNamer {
  private let decoder: NameDecoder
  private let limits: ArchiveLimits
  private var registry = PathRegistry()
  private(set) var count = 0

  init(_ options: ArchiveOptions) {
    decoder = NameDecoder(options.nameCharset)
    limits = options.limits
  }

  /// What an entry is: a file, or a directory, whose path is nil when it is the top itself.
  enum Entry {
    case file(ArchiveMember)
    case directory(MemberPath?, ArchiveTime)
  }

  /// - Parameter isSizeKnown: whether the header's size and checksum can be relied on before the content has been seen.
  func next(_ fields: EntryFields, isSizeKnown: Bool) throws(ArchiveFailure) -> Entry {
    try next(
      decoder.decode(fields), isDirectory: fields.isDirectory,
      size: isSizeKnown ? ByteCount(Int64(clamping: fields.size)) : nil, modified: fields.modified,
      crc32: isSizeKnown && !fields.hasDescriptor ? fields.crc32 : nil)
  }

  /// For the formats in which names are nothing but bytes.
  func next(
    _ name: [UInt8], isDirectory: Bool, size: ByteCount?, modified: ArchiveTime
  ) throws(ArchiveFailure) -> Entry {
    try next(decoder.decode(name), isDirectory: isDirectory, size: size, modified: modified, crc32: nil)
  }

  /// Counts something that is not shown, such as a device.
  func skip() throws(ArchiveFailure) {
    try checkRoom()
    count += 1
  }

  private func checkRoom() throws(ArchiveFailure) {
    // A name of 64 KiB can hold 30,000 directories: they must not come for free.
    guard max(count, registry.count) < limits.members else {
      throw ArchiveFailure(.limitExceeded, "the archive has more than \(limits.members) members and directories")
    }
  }

  private func next(
    _ name: String, isDirectory: Bool, size: ByteCount?, modified: ArchiveTime, crc32: UInt32?
  ) throws(ArchiveFailure) -> Entry {
    try checkRoom()
    let ordinal = count
    count += 1
    let wanted = PathRules.components(of: name, longestPath: limits.pathBytes)
    guard !isDirectory else { return .directory(registry.directory(wanted), modified) }
    let path = registry.file(wanted.isEmpty ? [PathRules.unnamed] : wanted)
    return .file(ArchiveMember(ordinal: ordinal, path: path, size: size, modified: modified, crc32: crc32))
  }

  /// The name for a message, whatever it holds.
  func display(_ fields: EntryFields) -> String {
    PathRules.components(of: decoder.decode(fields), longestPath: PathRules.longestComponent).joined(separator: "/")
  }
}
