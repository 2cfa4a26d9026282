import Synchronization

/// A part of a member that its holder is to fetch; nobody else fetches it meanwhile. Given back when it is dropped.
public final class SparseClaim: Sendable {
  /// In whole blocks; only the member's last one may be short.
  public let range: Range<UInt64>

  private let object: SparseObject
  private let files: SparseFiles
  private let run: Range<Int>
  private let progress: Mutex<Progress>

  private struct Progress {
    var position: UInt64
    /// Of the bytes of the block at `position` that came so far.
    var checksum: UInt32 = 0
    /// The first block that is not there yet.
    var block: Int
    var handedToDisk: UInt64
    var isEnded = false
  }

  /// So many bytes at a time are handed to the disk while more arrive, so that little is left to wait for at the end.
  private static let writebackStep: UInt64 = 8 << 20

  init(_ run: Range<Int>, of object: SparseObject, files: SparseFiles) {
    self.run = run
    self.object = object
    self.files = files
    range = BlockMath.bytes(of: run, in: object.size)
    progress = Mutex(
      Progress(position: range.lowerBound, block: run.lowerBound, handedToDisk: range.lowerBound))
  }

  deinit { end(nil) }

  /// Appends bytes, in order from the beginning of ``range`` on, and wakes who waits for the blocks that they fill. Blocks.
  /// - Throws: `.noSpace` or `.io`; nothing can be appended then, and what came before stays.
  public func append(_ bytes: UnsafeRawBufferPointer) throws(CacheFailure) {
    guard !bytes.isEmpty else { return }
    try progress.withLock { progress throws(CacheFailure) in
      if progress.isEnded { throw CacheFailure(.io, "bytes came for a part of a member that was given back") }
      guard UInt64(bytes.count) <= range.upperBound - progress.position else {
        throw CacheFailure(.io, "more bytes came than the part of the member has that was asked for")
      }
      do throws(CacheFailure) {
        try write(bytes, &progress)
      } catch {
        release(&progress, error)
        throw error
      }
    }
  }

  private func write(_ bytes: UnsafeRawBufferPointer, _ progress: inout Progress) throws(CacheFailure) {
    let object = object
    let makeRoom = { () throws(CacheFailure) -> Bool in
      try RoomKeeper(core: object.core).dropOne(for: .object(object.identity.object, isNew: false))
    }
    try files.write(bytes, at: progress.position, makeRoom: makeRoom)
    let first = progress.block
    let entries = checksums(of: bytes, &progress)
    if !entries.isEmpty {
      try files.map.write(entries, from: first, makeRoom: makeRoom)
      progress.block = first + entries.count
      object.arrived(first..<progress.block)
    }
    if progress.position - progress.handedToDisk >= Self.writebackStep {
      files.startWriteback(progress.handedToDisk..<progress.position)
      progress.handedToDisk = progress.position
    }
  }

  /// Goes on with the checksum of the block that has begun.
  /// - Returns: the entries of the blocks that the bytes fill.
  private func checksums(of bytes: UnsafeRawBufferPointer, _ progress: inout Progress) -> [MapEntry?] {
    let blockSize = UInt64(SparseObject.blockSize)
    var entries: [MapEntry?] = []
    entries.reserveCapacity(bytes.count / SparseObject.blockSize + 1)
    var rest = bytes
    while !rest.isEmpty {
      let end = min((progress.position / blockSize + 1) * blockSize, range.upperBound)
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(Int(end - progress.position)))
      progress.checksum = object.core.checksum(part, progress.checksum)
      progress.position += UInt64(part.count)
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
      guard progress.position == end else { break }
      entries.append(MapEntry(checksum: progress.checksum, state: .written))
      progress.checksum = 0
    }
    return entries
  }

  /// Gives back what did not come. Harmless after another end.
  public func finish() { end(nil) }

  /// Gives back what did not come, with the reason for whoever waits for it.
  public func fail(_ failure: CacheFailure) { end(failure) }

  private func end(_ failure: CacheFailure?) {
    progress.withLock { release(&$0, failure) }
  }

  private func release(_ progress: inout Progress, _ failure: CacheFailure?) {
    guard !progress.isEnded else { return }
    progress.isEnded = true
    if progress.position > progress.handedToDisk { files.startWriteback(progress.handedToDisk..<progress.position) }
    // Before anybody here is told: whoever claims it then must find it free.
    files.map.release(run)
    object.gaveUp(progress.block..<run.upperBound, failure)
  }
}

extension SparseObject {
  /// Blocks were written, with their entries.
  func arrived(_ run: Range<Int>) {
    let (news, isSyncDue) = state.withLock { state in
      if identity.isBilled {
        state.unsynchronized.insert(run)
        state.unsynchronizedBytes += BlockMath.length(of: run, in: size)
      }
      return (state.arrive(run), state.isSynchronizationDue)
    }
    follow(news)
    if isSyncDue { synchronize() }
  }

  /// Blocks that were claimed won't come.
  func gaveUp(_ run: Range<Int>, _ failure: CacheFailure?) {
    guard !run.isEmpty else { return }
    let news = state.withLock { state in
      state.room.giveBack(BlockMath.length(of: run, in: size))
      return state.giveUp([run], failure)
    }
    follow(news)
  }
}
