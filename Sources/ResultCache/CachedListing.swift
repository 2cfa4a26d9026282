import Foundation
import Tasks

/// What is known of a task's results: names, sizes and times, which outlive the bytes.
public struct CachedListing: Hashable, Sendable {
  public enum State: Hashable, Sendable {
    /// The whole archive was seen: these are all its members.
    case complete
    /// The download broke: members may be missing. `failureKind` is the caller's own word, given back as it came.
    case broken(reason: String, failureKind: String)
  }

  public let state: State
  /// In the order of their ordinals.
  public let members: [CachedMember]
  /// Directories that the archive lists by themselves.
  public let directories: [CachedDirectory]
  /// When the download ended. A repeated download of the same archive keeps the first time.
  public let downloadedAt: Date
  /// Whether the download was paid for.
  public let billed: Bool
  /// Set for the directory of a package that is read by ranges: the version that it is of.
  public let package: PackageVersion?

  public init(
    state: State, members: [CachedMember], directories: [CachedDirectory], downloadedAt: Date, billed: Bool,
    package: PackageVersion? = nil
  ) {
    self.state = state
    self.members = members
    self.directories = directories
    self.downloadedAt = downloadedAt
    self.billed = billed
    self.package = package
  }

  /// The sum of all members' sizes, whether their bytes are here or not.
  public var totalSize: ByteCount { members.reduce(.zero) { $0 + $1.size } }

  /// The word that the cache itself gives a break or a failure that it found: a download that was cut off by the end of its
  /// process, a cached file whose bytes changed.
  public static let damageWord = "damaged"
}

/// Which download a listing is of, and how much of it is left. Equal versions of one task mean equal listings.
public struct ListingVersion: Hashable, Sendable {
  let generation: Int64
  /// How often a file became stored, evicted or damaged.
  let changes: Int64
}

/// One file of a task's results.
public struct CachedMember: Hashable, Sendable {
  public enum State: Hashable, Sendable {
    /// The bytes are in the cache.
    case stored
    /// The bytes were dropped to make room, or were never fetched. Of a member with a ``CachedMember/place`` some may be here:
    /// ``ResultCache/sparse(_:of:costs:)`` knows.
    case evicted
    /// Listed, but it can't be opened: the archive's member was encrypted or damaged (the caller's own word), or the cached
    /// bytes are damaged (``CachedListing/damageWord``, and ``CachedMember/isDamaged`` is true).
    case failed(reason: String, failureKind: String)
  }

  /// The member's place in the archive, which names it as long as the archive stays the same.
  public let ordinal: Int
  /// Names from the top of the results down; none holds a slash.
  public let path: [String]
  /// Bytes; for a failed member what the archive claimed, or zero.
  public let size: ByteCount
  /// Seconds since 1970.
  public let modifiedSeconds: Int64
  /// 0 ..< 1,000,000,000
  public let modifiedNanoseconds: Int32
  /// Of the content, where it is known.
  public let crc32: UInt32?
  public let state: State
  /// Whether the bytes were stored whole once, and were lost or changed on disk since then.
  public let isDamaged: Bool
  /// Where its bytes are in the package; nil where it can't be fetched by itself.
  public let place: CachedPlace?

  public init(
    ordinal: Int, path: [String], size: ByteCount, modifiedSeconds: Int64, modifiedNanoseconds: Int32, crc32: UInt32?,
    state: State, isDamaged: Bool = false, place: CachedPlace? = nil
  ) {
    self.ordinal = ordinal
    self.path = path
    self.size = size
    self.modifiedSeconds = modifiedSeconds
    self.modifiedNanoseconds = modifiedNanoseconds
    self.crc32 = crc32
    self.state = state
    self.isDamaged = isDamaged
    self.place = place
  }
}

/// Where a member is in its package. The cache only keeps it; what it means is up to who reads packages.
public struct CachedPlace: Hashable, Sendable {
  /// Where the member's header begins.
  public let headerOffset: UInt64
  /// Header and content end at or before here.
  public let limit: UInt64
  /// Bytes of the content in the package.
  public let compressedSize: ByteCount
  /// How it is compressed, as the package writes it.
  public let method: UInt16

  public init(headerOffset: UInt64, limit: UInt64, compressedSize: ByteCount, method: UInt16) {
    self.headerOffset = headerOffset
    self.limit = limit
    self.compressedSize = compressedSize
    self.method = method
  }
}

/// A directory that an archive lists by itself.
public struct CachedDirectory: Hashable, Sendable {
  public let path: [String]
  /// Seconds since 1970.
  public let modifiedSeconds: Int64
  /// 0 ..< 1,000,000,000
  public let modifiedNanoseconds: Int32

  public init(path: [String], modifiedSeconds: Int64, modifiedNanoseconds: Int32) {
    self.path = path
    self.modifiedSeconds = modifiedSeconds
    self.modifiedNanoseconds = modifiedNanoseconds
  }
}
