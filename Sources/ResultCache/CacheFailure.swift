/// Why the cache could not do what it was asked.
public struct CacheFailure: Error, Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    /// `max_size`, `min_free` or the disk itself is reached, and nothing is left that may be evicted.
    case noSpace
    /// Cached bytes are not what was stored. They are never served, and what was paid for is not fetched again by itself.
    case damaged
    /// The task is pinned, and eviction was not told to go past that.
    case pinned
    /// Not in the cache: never downloaded, evicted, or replaced by another download since it was looked up.
    case notFound
    /// The waiting task was cancelled.
    case cancelled
    /// The cache was made by a newer version of this program.
    case tooNew
    /// A fault of the disk, of the index, or of the order of calls.
    case io
  }

  public let kind: Kind
  /// One line for people.
  public let reason: String

  public init(_ kind: Kind, _ reason: String) {
    self.kind = kind
    self.reason = reason
  }

  static let cancelled = CacheFailure(.cancelled, "interrupted")
}

extension CacheFailure: CustomStringConvertible {
  public var description: String { reason }
}
