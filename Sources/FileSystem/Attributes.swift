/// The number by which the kernel knows a file. The root is 1 (FUSE_ROOT_ID); 0 is no inode.
public struct InodeNumber: Hashable, Sendable, CustomStringConvertible {
  public let value: UInt64

  public static let root = InodeNumber(1)

  public init(_ value: UInt64) {
    self.value = value
  }

  public var description: String { String(value) }
}

/// An open file or directory.
public struct HandleNumber: Hashable, Sendable, CustomStringConvertible {
  public let value: UInt64

  public init(_ value: UInt64) {
    self.value = value
  }

  public var description: String { String(value) }
}

/// A point in time since 1970-01-01 UTC.
public struct Timestamp: Hashable, Sendable {
  public let seconds: Int64
  /// 0..<1,000,000,000
  public let nanoseconds: Int32

  public init(seconds: Int64, nanoseconds: Int32 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }
}

public enum FileKind: Hashable, Sendable {
  case directory, regular, symbolicLink
}

/// What `stat` shows of a file in a read-only tree. Its owner is the mounting user: the bridge fills that in.
public struct Attributes: Hashable, Sendable {
  public let inode: InodeNumber
  public let kind: FileKind
  /// Bytes. Exact for every regular file whose content does not change.
  public let size: UInt64
  public let modified: Timestamp
  /// Directories: 2, since subdirectories are not counted; find's leaf optimisation is switched off by any value below 2 only.
  public let linkCount: UInt32

  public init(inode: InodeNumber, kind: FileKind, size: UInt64, modified: Timestamp, linkCount: UInt32 = 1) {
    self.inode = inode
    self.kind = kind
    self.size = size
    self.modified = modified
    self.linkCount = linkCount
  }
}

/// How long the kernel may answer by itself. Zero means: ask every time.
public struct CacheValidity: Hashable, Sendable {
  /// For the connection of name and inode.
  public let entry: Duration
  /// For the attributes.
  public let attributes: Duration

  public init(entry: Duration, attributes: Duration) {
    self.entry = entry
    self.attributes = attributes
  }

  public static let none = CacheValidity(entry: .zero, attributes: .zero)
  /// For what can't change. A day is as good as for ever and keeps the numbers within every kernel's range.
  public static let immutable = CacheValidity(entry: .seconds(86_400), attributes: .seconds(86_400))
}
