import Tasks

/// How waiting for bytes ended.
public enum SparseWait: Hashable, Sendable {
  /// Every byte is here and right.
  case arrived
  /// Some of it is neither here nor on its way: claim it.
  case missing
}

/// A member's content that arrives in parts.
public final class SparseObject: Sendable {
  /// Bytes; what is here, claimed and checked is counted in such blocks.
  public static let blockSize = 16 << 10

  /// Bytes of the whole content.
  public let size: UInt64
  public let seekPoints = SeekPoints()

  init(size: UInt64) { self.size = size }

  /// A descriptor for reading that the caller closes. What has not arrived reads as zeroes: wait first.
  public func duplicateDescriptor() throws(CacheFailure) -> Int32 { throw CacheFailure(.io, "not yet") }

  /// Whether it is an ordinary stored member by now: ``complete(contentChecksum:)`` has succeeded.
  public var isComplete: Bool { false }

  /// Bytes that are here.
  public var presentBytes: ByteCount { .zero }

  /// Missing parts of `range`, in whole blocks, that are neither here nor on their way in this process.
  public func missing(in range: Range<UInt64>) -> [Range<UInt64>] { [range] }

  /// Takes the missing parts of `range` for the caller to fetch.
  public func claim(_ range: Range<UInt64>) async throws(CacheFailure) -> [SparseClaim] {
    throw CacheFailure(.io, "not yet")
  }

  /// Waits until every byte of `range` is here and verified.
  public func wait(for range: Range<UInt64>) async throws(CacheFailure) -> SparseWait {
    throw CacheFailure(.io, "not yet")
  }

  /// When everything is here: makes it an ordinary stored member.
  public func complete(contentChecksum: Checksum) async throws(CacheFailure) { throw CacheFailure(.io, "not yet") }
}

/// A part of a member that the holder is to fetch; nobody else fetches it meanwhile.
public final class SparseClaim: Sendable {
  /// In whole blocks; only the member's last one may be shorter.
  public let range: Range<UInt64>

  init(range: Range<UInt64>) { self.range = range }

  /// Appends bytes, in order from the beginning of ``range`` on. Blocks.
  public func append(_ bytes: UnsafeRawBufferPointer) throws(CacheFailure) {}

  /// Gives back what did not come.
  public func finish() {}

  /// Gives back what did not come, with the reason for whoever waits for it.
  public func fail(_ failure: CacheFailure) {}
}
