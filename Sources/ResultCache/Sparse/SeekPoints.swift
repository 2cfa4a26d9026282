import Tasks

/// A place in a compressed member from which decoding can go on.
public struct SeekPoint: Hashable, Sendable {
  /// Bytes of the compressed content before it.
  public let consumed: UInt64
  /// Bytes of the decoded content before it.
  public let produced: UInt64
  /// What the decoder must remember there.
  public let snapshot: [UInt8]

  public init(consumed: UInt64, produced: UInt64, snapshot: [UInt8]) {
    self.consumed = consumed
    self.produced = produced
    self.snapshot = snapshot
  }
}

/// The seek points of a member, on the disk beside it. They outlive the eviction of its content. Every method blocks.
public final class SeekPoints: Sendable {
  init() {}

  /// Keeps a point, unless there is one at the same place or no room for it.
  public func add(_ point: SeekPoint) throws(CacheFailure) {}

  /// The last point at or before a place in the decoded content.
  public func nearest(atOrBefore produced: UInt64) throws(CacheFailure) -> SeekPoint? { nil }
}
