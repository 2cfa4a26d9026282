/// What a read-only filesystem is, in terms of values: what the bridge asks, and what a tree answers.
///
/// Every asynchronous method observes cancellation of the Swift task that it runs in: the kernel's FUSE_INTERRUPT arrives
/// as cancellation, and the method then throws `.interrupted` at once, whatever it was waiting for. No method blocks its thread.
/// The synchronous methods return at once.
public protocol FileSystem: Sendable {
  /// Finds a name. A `.found` answer counts as one reference to the inode until ``forget(_:lookups:)`` takes it back.
  func lookup(_ name: FileName, in parent: InodeNumber, for caller: Caller) async throws(FileSystemFailure)
    -> LookupResult

  /// Counts one more reference: the bridge passed this inode to the kernel as part of a directory listing.
  func retain(_ inode: InodeNumber)

  /// Takes back so many references.
  func forget(_ inode: InodeNumber, lookups: UInt64)

  /// What `stat` asks for.
  func attributes(of inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure) -> KnownAttributes

  /// Opens a regular file for reading. Anything that costs money or takes long is decided and begun here: a process that
  /// waits in `open` can be interrupted, one that waits for a page of the page cache can't.
  func open(_ inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure) -> OpenFile

  /// Reads `count` bytes at `offset` of an open file; fewer only at the end of the file.
  func read(_ handle: HandleNumber, at offset: UInt64, count: Int, for caller: Caller) async throws(FileSystemFailure)
    -> ReadResult

  /// Closes an open file.
  func release(_ handle: HandleNumber)

  func openDirectory(_ inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure) -> OpenDirectory

  /// The entries that follow `cookie` (0: from the start), at most `limit` of them; an empty array is the end.
  /// `.` and `..` are the tree's to list, with cookies of their own. A cookie stays valid as long as the handle is open.
  /// - Throws: where the listing ends in a failure, once every entry before it was returned.
  func readDirectory(_ handle: HandleNumber, after cookie: UInt64, limit: Int, for caller: Caller)
    async throws(FileSystemFailure) -> [DirectoryItem]

  func releaseDirectory(_ handle: HandleNumber)

  /// The target of a symbolic link.
  func symbolicLink(_ inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure) -> String

  /// The value of one extended attribute.
  /// - Throws: `.noAttribute` for a name that this file does not have.
  func extendedAttribute(_ name: String, of inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure)
    -> [UInt8]

  func extendedAttributeNames(of inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure) -> [String]

  /// What `df` shows; answered from memory.
  func statistics() -> FileSystemStatistics
}

/// Who is on the other side of the kernel.
public struct Caller: Hashable, Sendable {
  public let userID: UInt32
  public let groupID: UInt32
  /// The thread that made the system call (FUSE passes the thread's id).
  public let processID: Int32

  public init(userID: UInt32, groupID: UInt32, processID: Int32) {
    self.userID = userID
    self.groupID = groupID
    self.processID = processID
  }
}

public enum LookupResult: Hashable, Sendable {
  case found(Entry)
  /// There is no such name, and the kernel may say so by itself for so long (zero: it asks again).
  case absent(rememberFor: Duration)
}

/// A file under a name.
public struct Entry: Hashable, Sendable {
  public let attributes: Attributes
  public let validity: CacheValidity

  public init(attributes: Attributes, validity: CacheValidity) {
    self.attributes = attributes
    self.validity = validity
  }
}

public struct KnownAttributes: Hashable, Sendable {
  public let attributes: Attributes
  public let validity: Duration

  public init(attributes: Attributes, validity: Duration) {
    self.attributes = attributes
    self.validity = validity
  }
}

public struct OpenFile: Hashable, Sendable {
  /// What the kernel's page cache may do for this file.
  public enum Caching: Hashable, Sendable {
    /// Every read reaches the tree, at the size that the program asked for; the size in the attributes does not matter.
    case none
    /// The content never changes: pages of earlier opens stay valid.
    case keep
    /// The same from now on; pages of earlier opens may be wrong, and are dropped.
    case renew
  }

  public let handle: HandleNumber
  public let caching: Caching

  public init(handle: HandleNumber, caching: Caching) {
    self.handle = handle
    self.caching = caching
  }
}

public struct OpenDirectory: Hashable, Sendable {
  public let handle: HandleNumber
  /// Whether the kernel may keep the listing for later readers.
  public let isImmutable: Bool

  public init(handle: HandleNumber, isImmutable: Bool) {
    self.handle = handle
    self.isImmutable = isImmutable
  }
}

public struct DirectoryItem: Hashable, Sendable {
  public let name: String
  public let inode: InodeNumber
  public let kind: FileKind
  /// Where to go on after this item; never 0.
  public let cookie: UInt64
  /// What a lookup of the name would answer, where that is known without asking anyone; nil for `.` and `..`.
  public let entry: Entry?

  public init(name: String, inode: InodeNumber, kind: FileKind, cookie: UInt64, entry: Entry?) {
    self.name = name
    self.inode = inode
    self.kind = kind
    self.cookie = cookie
    self.entry = entry
  }
}

/// Where the bytes of a read are.
public enum ReadResult: Sendable {
  case bytes([UInt8])
  /// `count` bytes at `offset` of an open file: the bridge reads them from there.
  case range(of: FileDescriptorBox, offset: UInt64, count: Int)
}

public struct FileSystemStatistics: Hashable, Sendable {
  /// Bytes that the tree's files hold, as far as is known.
  public let usedBytes: UInt64
  /// Bytes that can still be stored.
  public let freeBytes: UInt64
  public let fileCount: UInt64

  public init(usedBytes: UInt64, freeBytes: UInt64, fileCount: UInt64) {
    self.usedBytes = usedBytes
    self.freeBytes = freeBytes
    self.fileCount = fileCount
  }
}

/// How a tree tells the kernel to drop what it was allowed to keep. Both return at once and never call into the tree.
public protocol KernelCache: Sendable {
  /// Drops the attributes and pages of an inode.
  func invalidate(_ inode: InodeNumber)
  /// Drops what is known of a name.
  func invalidate(_ name: FileName, in parent: InodeNumber)
}
