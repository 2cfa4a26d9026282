import Glibc
import Logging
import Synchronization
import Tasks

/// The one writer of a task's results, over all processes that use the cache.
///
/// Its methods block (disk, index) and belong on a thread that may: one thread at a time, members one after the other. A member
/// is kept from the moment in which ``endMember(crc32:size:)`` returns, also through a crash of this process; ``finish()`` and
/// ``breakOff(reason:word:)`` bring everything to the disk. A writer that is dropped without an end leaves a broken download
/// behind, like a crash.
public final class DownloadWriter: Sendable {
  private let session: WriterSession
  private let state: Mutex<WriterState>

  init(session: WriterSession, lock: FileLock) {
    self.session = session
    state = Mutex(WriterState(lock: lock))
  }

  /// A directory on the cache's file system for raw temporary files; removed with its content when the download ends.
  public var spoolDirectory: String { session.spoolDirectory }

  /// Begins a member. Its bytes follow with ``append(_:)``.
  /// - Parameters:
  ///   - path: names from the top of the results down, none with a slash; unique in the download.
  ///   - size: what the archive announced, exactly; nil when only the member's end will tell.
  /// - Throws: `.io` when another member is still open, `.noSpace`.
  public func beginMember(
    ordinal: Int, path: [String], size: ByteCount?, modifiedSeconds: Int64, modifiedNanoseconds: Int32
  ) throws(CacheFailure) -> GrowingObject {
    try state.withLock { state throws(CacheFailure) in
      try state.checkOpen()
      guard state.member == nil else { throw CacheFailure(.io, "a member began before the one before it ended") }
      let member = try session.makeMember(
        MemberHead(
          ordinal: ordinal, path: path, size: size, modifiedSeconds: modifiedSeconds,
          modifiedNanoseconds: modifiedNanoseconds))
      state.member = member
      return member.object
    }
  }

  /// Appends to the member that was begun, and wakes who waits for these bytes.
  /// - Throws: `.noSpace` when `max_size`, `min_free` or the disk is reached and nothing is left to evict. The member can then only fail.
  public func append(_ bytes: UnsafeRawBufferPointer) throws(CacheFailure) {
    try state.withLock { state throws(CacheFailure) in
      try state.checkOpen()
      guard state.member != nil else { throw CacheFailure(.io, "bytes came before a member began") }
      try session.append(bytes, to: &state)
    }
  }

  /// Ends the member that was begun: it is whole, and its checksum was right.
  /// - Throws: `.io` when the size is not that of the bytes that came; `.noSpace`.
  @discardableResult
  public func endMember(crc32: UInt32, size: ByteCount) throws(CacheFailure) -> CachedMember {
    try state.withLock { state throws(CacheFailure) in
      try state.checkOpen()
      guard let member = state.member else { throw CacheFailure(.io, "a member ended before it began") }
      state.member = nil
      do throws(CacheFailure) {
        return try session.end(member, crc32: crc32, size: size, &state)
      } catch {
        session.discard(member, error)
        throw error
      }
    }
  }

  /// Lists a member that can't be had (encrypted, damaged in the archive), whether or not it was begun or even ended; the bytes
  /// that came are dropped.
  /// - Parameters:
  ///   - size: what the archive claims.
  ///   - word: the caller's own name for the kind of failure.
  public func failMember(
    ordinal: Int, path: [String], size: ByteCount?, modifiedSeconds: Int64, modifiedNanoseconds: Int32, reason: String,
    word: String
  ) throws(CacheFailure) {
    try state.withLock { state throws(CacheFailure) in
      try state.checkOpen()
      if let member = state.member, member.head.ordinal == ordinal {
        state.member = nil
        session.discard(member, CacheFailure(.damaged, reason))
      }
      let head = MemberHead(
        ordinal: ordinal, path: path, size: size, modifiedSeconds: modifiedSeconds,
        modifiedNanoseconds: modifiedNanoseconds)
      try session.fail(head, reason: reason, word: word, &state)
    }
  }

  /// Lists a directory that the archive lists by itself.
  public func directory(path: [String], modifiedSeconds: Int64, modifiedNanoseconds: Int32) throws(CacheFailure) {
    try state.withLock { state throws(CacheFailure) in
      try state.checkOpen()
      try session.directory(
        CachedDirectory(path: path, modifiedSeconds: modifiedSeconds, modifiedNanoseconds: modifiedNanoseconds))
      state.hasContent = true
    }
  }

  /// Says that what is listed is the directory of this package. What is here of the same version stays when the listing is
  /// published; of another version nothing does.
  public func listPackage(_ version: PackageVersion) {
    state.withLock { $0.package = version }
  }

  /// Lists a member without its bytes: it is fetched by itself when somebody wants it.
  /// - Parameter place: where it is in the package.
  public func listMember(
    ordinal: Int, path: [String], size: ByteCount, modifiedSeconds: Int64, modifiedNanoseconds: Int32, crc32: UInt32?,
    place: CachedPlace?
  ) throws(CacheFailure) {
    try state.withLock { state throws(CacheFailure) in
      try state.checkOpen()
      state.listed.append(
        MemberRow(
          ordinal: Int64(ordinal), path: JoinedPath.join(path), size: size.bytes, modifiedSeconds: modifiedSeconds,
          modifiedNanoseconds: modifiedNanoseconds, crc32: crc32, state: .evicted, place: place))
      state.hasContent = true
      if state.listed.count >= WriterState.listedAtOnce { try session.list(&state) }
    }
  }

  /// Ends the download as complete: brings everything to the disk, then publishes the listing, durably.
  /// - Throws: `.io` or `.noSpace`; the download is then still open, and ``breakOff(reason:word:)`` keeps what it brought.
  public func finish() throws(CacheFailure) -> CachedListing {
    try state.withLock { state throws(CacheFailure) in
      try state.checkOpen()
      guard state.member == nil else { throw CacheFailure(.io, "the download ended within a member") }
      let listing = try session.publish(.complete, &state, mustReachDisk: true)
      session.close(&state)
      return listing
    }
  }

  /// Ends the download as broken and keeps every member that arrived whole, with those of an earlier download.
  /// - Parameter word: the caller's own name for the kind of failure.
  /// - Throws: when the index can't be written; then the next one who looks at the task finds it broken. The writer has ended either way.
  public func breakOff(reason: String, word: String) throws(CacheFailure) -> CachedListing {
    try state.withLock { state throws(CacheFailure) in
      try state.checkOpen()
      defer { session.close(&state) }
      if let member = state.member {
        state.member = nil
        session.discard(member, CacheFailure(.io, reason))
      }
      return try session.publish(.broken(reason: reason, word: word), &state, mustReachDisk: false)
    }
  }

  /// Ends a download that brought nothing: what was published before stays as it is. Harmless after another end.
  /// Where something did arrive, it is kept as by ``breakOff(reason:word:)``.
  public func abandon() {
    state.withLock { state in
      guard !state.isEnded else { return }
      defer { session.close(&state) }
      if let member = state.member {
        state.member = nil
        state.hasContent = true
        session.discard(member, CacheFailure(.io, "the download was given up"))
      }
      session.withdraw(&state)
    }
  }

  deinit {
    state.withLock { state in
      if let member = state.member { session.discard(member, CacheFailure(.io, "the download was given up")) }
    }
  }
}

/// What is told of a member before its bytes.
struct MemberHead: Sendable {
  let ordinal: Int
  let path: [String]
  let size: ByteCount?
  let modifiedSeconds: Int64
  let modifiedNanoseconds: Int32
}

/// A member while it arrives.
struct ArrivingMember {
  let head: MemberHead
  let object: GrowingObject
  var file: ObjectFile
}

/// How far a download has come.
struct WriterState {
  /// The task's lock, nil once the download has ended.
  var lock: FileLock?
  var member: ArrivingMember?
  /// Whether anything arrived.
  var hasContent = false
  /// Bytes written to files, discarded ones included: their space is free again only after the next question.
  var written: Int64 = 0
  /// Up to how many bytes may be written before asking for room.
  var granted: Int64 = 0
  /// Objects that the index knows and the disk perhaps not.
  var unsynchronized: [DurableObjects.Written] = []
  var unsynchronizedBytes: Int64 = 0
  /// The package whose directory this is.
  var package: PackageVersion?
  /// Members that were listed and are not in the index yet.
  var listed: [MemberRow] = []
  /// The members that ended, by ordinal.
  var ended: [Int: EndedMember] = [:]

  var isEnded: Bool { lock == nil }

  /// About a hundredth of a second of inserts: other processes wait for the index no longer than that.
  static let listedAtOnce = 1_000

  struct EndedMember {
    let objectID: Int64
    let name: String
    let size: Int64
  }

  func checkOpen() throws(CacheFailure) {
    if isEnded { throw CacheFailure(.io, "the download has ended already") }
  }
}
