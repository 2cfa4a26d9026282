import Tasks

/// How much of the disk the cache may use.
public struct CacheLimits: Hashable, Sendable {
  /// All cached bytes together (`cache.max_size`).
  public let maxSize: ByteCount
  /// What must stay free on the cache's file system for others (`cache.min_free`), in bytes that an ordinary user can use.
  public let minFree: ByteCount

  public init(maxSize: ByteCount, minFree: ByteCount) {
    self.maxSize = maxSize
    self.minFree = minFree
  }

  /// Room is asked for in steps of at most so many bytes, so that the index is not asked at every append: a sixty-fourth of
  /// the cache, since small caches are asked for small steps, and at most 8 MiB.
  var largestStep: Int64 { max(64 << 10, evictionSlack) }

  /// How much more than is needed may be evicted of what is free, so that not every file needs an eviction of its own.
  var evictionSlack: Int64 { min(8 << 20, maxSize.bytes / 64) }
}

/// What the cache holds.
public struct CacheUsage: Hashable, Sendable {
  /// Bytes of cached file content.
  public let bytes: ByteCount
  /// Cached files.
  public let objects: Int

  public init(bytes: ByteCount, objects: Int) {
    self.bytes = bytes
    self.objects = objects
  }
}
