import Glibc
import Synchronization
import Tasks

/// How waiting for bytes ended.
public enum SparseWait: Hashable, Sendable {
  /// Every byte is here and right.
  case arrived
  /// Some of it is neither here nor on its way: claim it.
  case missing
}

/// A member's content that arrives in parts. Many may read it, and many may fetch parts of it, at once.
///
/// It counts as being read as long as it lives. When it is evicted all the same it goes on working for those who have it;
/// its bytes are then no longer the cache's, and ``ResultCache/sparse(_:of:costs:)`` gives a fresh one.
///
/// Lock order: a leaf; no continuation is resumed and no system call made while the lock is held.
public final class SparseObject: Sendable {
  /// What is here, on its way and checked is counted in blocks of so many bytes: a page of checksums (512 of them) tells of
  /// 8 MiB, and a random reader of 4 KiB fetches three times as much again, which is one round trip all the same.
  public static let blockSize = 16 << 10

  /// Bytes of the whole content.
  public let size: UInt64
  /// Where decoding can go on without the content before it. They outlive the content.
  public let seekPoints: SeekPoints

  let core: CacheCore
  let identity: SparseIdentity
  let state: Mutex<SparseState>
  /// nil where it was an ordinary stored member from the beginning.
  let files: SparseFiles?
  private let reading: Descriptor
  /// One at a time: reads the whole content.
  let completion = Mutex(())

  init(core: CacheCore, identity: SparseIdentity, files: SparseFiles, blocks: SparseBlocks, seekPoints: SeekPoints) {
    self.core = core
    self.identity = identity
    self.files = files
    self.seekPoints = seekPoints
    size = files.size
    reading = files.reading
    state = Mutex(SparseState(blocks: blocks))
  }

  /// A member that is stored already.
  init(core: CacheCore, identity: SparseIdentity, stored: StoredObject, seekPoints: SeekPoints) {
    self.core = core
    self.identity = identity
    self.seekPoints = seekPoints
    files = nil
    size = stored.size
    reading = stored.file
    var state = SparseState(blocks: SparseBlocks(count: BlockMath.count(of: stored.size), isWhole: true))
    state.isComplete = true
    self.state = Mutex(state)
  }

  deinit {
    guard let files else { return }
    let ending = state.withLock { state in
      state.isComplete
        ? nil
        : SparseEnding(
          core: core, identity: identity, files: files, unsynchronized: state.unsynchronized, room: state.room,
          isEmpty: state.blocks.present.isEmpty && state.blocks.damaged.isEmpty)
    }
    if let ending { core.endings.begin(ending.perform) }
  }

  /// A descriptor for reading that the caller closes. What has not arrived reads as zeroes: ``wait(for:)`` first.
  /// - Throws: `.io` when the system gives no more descriptors.
  public func duplicateDescriptor() throws(CacheFailure) -> Int32 { try reading.duplicate() }

  /// Whether it is an ordinary stored member by now: ``complete(contentChecksum:)`` has succeeded.
  public var isComplete: Bool { state.withLock { $0.isComplete } }

  /// Bytes that this process was promised and has not used.
  var roomAhead: Int64 { state.withLock { $0.isComplete ? 0 : $0.room.ahead } }

  /// Bytes that are here, checked or not.
  public var presentBytes: ByteCount {
    state.withLock { ByteCount(BlockMath.length(of: $0.blocks.present, in: size)) }
  }

  /// Missing parts of `range`, in whole blocks, that are neither here nor on their way as far as this process knows.
  public func missing(in range: Range<UInt64>) -> [Range<UInt64>] {
    let run = BlockMath.blocks(of: range, in: size)
    return state.withLock { $0.blocks.missing(in: run) }.map { BlockMath.bytes(of: $0, in: size) }
  }

  /// Waits until every byte of `range` is here and compared with its checksum, if this process did not write it. Holds no
  /// thread while it waits. What is beyond the end needs no waiting.
  /// - Returns: `.missing` as soon as a part of it is neither here nor on its way, in this process or another.
  /// - Throws: the failure of the claim that was to bring it, `.damaged` where bytes that were paid for are wrong, `.cancelled`
  ///   as soon as the waiting task is cancelled.
  public func wait(for range: Range<UInt64>) async throws(CacheFailure) -> SparseWait {
    let run = BlockMath.blocks(of: range, in: size)
    let (answer, id) = state.withLock { state in (state.answer(run), state.nextWaiter()) }
    if let answer { return try answer.get() }
    let result: Result<SparseWait, CacheFailure> = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let (answer, news) = state.withLock { state -> (Result<SparseWait, CacheFailure>?, SparseState.News) in
          if let answer = state.answer(run) { return (answer, .init()) }
          // The handler below may have run before there was a waiter to be found.
          if Task.isCancelled { return (.failure(.cancelled), .init()) }
          return (nil, state.park(id, run, continuation))
        }
        if let answer { continuation.resume(returning: answer) }
        follow(news)
      }
    } onCancel: {
      state.withLock { $0.cancel(id) }?.resume(returning: .failure(.cancelled))
    }
    return try result.get()
  }

  /// Does what a change of the state asks for. Never called under the lock.
  func follow(_ news: SparseState.News) {
    news.tell()
    if !news.unchecked.isEmpty { check(news.unchecked) }
  }
}

/// Which member it is, for the index and for people.
struct SparseIdentity: Sendable {
  let task: Int64
  let folder: String
  /// Of the object's row.
  let object: Int64
  /// The file's name.
  let file: String
  /// The member's, for people.
  let name: String
  let crc32: UInt32?
  /// Bytes that were paid for are never fetched again without being asked for.
  let isBilled: Bool
}
