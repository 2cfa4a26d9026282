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
    // A name of 64 KiB can hold 30,000 directories: they must not come for free.
    guard max(count, registry.count) < limits.members else {
      throw ArchiveFailure(.limitExceeded, "the archive has more than \(limits.members) members and directories")
    }
    let ordinal = count
    count += 1
    let wanted = PathRules.components(of: decoder.decode(fields), longestPath: limits.pathBytes)
    guard !fields.isDirectory else { return .directory(registry.directory(wanted), fields.modified) }
    return .file(
      ArchiveMember(
        ordinal: ordinal, path: registry.file(wanted.isEmpty ? [PathRules.unnamed] : wanted),
        size: isSizeKnown ? ByteCount(Int64(clamping: fields.size)) : nil, modified: fields.modified,
        crc32: isSizeKnown && !fields.hasDescriptor ? fields.crc32 : nil))
  }

  /// The name for a message, whatever it holds.
  func display(_ fields: EntryFields) -> String {
    PathRules.components(of: decoder.decode(fields), longestPath: PathRules.longestComponent).joined(separator: "/")
  }
}
