import Tasks

/// Bounds on what an archive may ask of the machine. Reaching one is an error of kind ``ArchiveFailure/Kind/limitExceeded``.
public struct ArchiveLimits: Hashable, Sendable {
  /// Members and directories together, those included that only occur in paths.
  public var members: Int
  /// The sum of all content, uncompressed, in bytes; nil for no bound. This is what stops a decompression bomb: deflate grows at most 1032 times.
  public var totalSize: ByteCount?
  /// Longest path of a member, in bytes of UTF-8. The middle of a longer one is replaced by a hash: it is no error.
  public var pathBytes: Int
  /// Longest central directory that is kept in memory, in bytes; only the random-access reader keeps one.
  public var directorySize: ByteCount
  /// Raw bytes that may be kept aside on disk for the central directory to decide on; nil for no bound.
  public var spoolSize: ByteCount?

  /// - Parameters:
  ///   - members: a million by default, which is ten times the largest archive that public tools are tested with.
  ///   - pathBytes: 3072 by default: the kernel's PATH_MAX is 4096, and a mountpoint and a task's path go before it.
  ///   - directorySize: 64 MiB by default, a million entries of 67 bytes each.
  public init(
    members: Int = 1_000_000, totalSize: ByteCount? = nil, pathBytes: Int = 3072,
    directorySize: ByteCount = ByteCount(64 << 20), spoolSize: ByteCount? = nil
  ) {
    self.members = members
    self.totalSize = totalSize
    self.pathBytes = pathBytes
    self.directorySize = directorySize
    self.spoolSize = spoolSize
  }
}

/// How archives are read.
public struct ArchiveOptions: Sendable {
  /// For names that are not UTF-8 and do not say what they are.
  public var nameCharset: NameCharset
  /// Where raw bytes are kept that can't be taken apart while they arrive, in files without a name.
  public var spoolDirectory: String
  public var limits: ArchiveLimits

  public init(
    nameCharset: NameCharset = .automatic, spoolDirectory: String, limits: ArchiveLimits = ArchiveLimits()
  ) {
    self.nameCharset = nameCharset
    self.spoolDirectory = spoolDirectory
    self.limits = limits
  }
}
