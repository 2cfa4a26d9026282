import Glibc

/// A complete member in the cache, its bytes verified. Closed when the last owner lets go of it; until then, and until the
/// duplicates of its descriptor are closed, its bytes can be read whatever happens to the cache.
public final class StoredObject: Sendable {
  let file: Descriptor
  /// Bytes.
  public let size: UInt64

  init(_ file: Descriptor, size: UInt64) {
    self.file = file
    self.size = size
  }

  /// Open for reading as long as this object lives.
  public var descriptor: Int32 { file.number }

  /// A descriptor that the caller closes.
  /// - Throws: `.io` when the system gives no more descriptors.
  public func duplicateDescriptor() throws(CacheFailure) -> Int32 { try file.duplicate() }
}
