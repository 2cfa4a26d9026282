/// Why an archive, or one member of it, can't be read.
public struct ArchiveFailure: Error, Hashable, Sendable {
  public enum Kind: Hashable, Sendable, CaseIterable {
    /// The bytes stopped before the archive's own end.
    case truncated
    /// The content is not what its checksum was made from.
    case badChecksum
    /// Headers that contradict one another, or data that no compressor writes.
    case badStructure
    /// A compression method that nothing here can undo.
    case unsupportedMethod
    /// The content is encrypted.
    case encrypted
    /// One of ``ArchiveLimits`` was reached.
    case limitExceeded
    /// Nothing in the bytes looks like a zip archive.
    case notAZip
    /// The system refused: the spool could not be written or read.
    case io
  }

  public let kind: Kind
  /// One line for people: what is wrong and where.
  public let reason: String

  public init(_ kind: Kind, _ reason: String) {
    self.kind = kind
    self.reason = reason
  }
}
