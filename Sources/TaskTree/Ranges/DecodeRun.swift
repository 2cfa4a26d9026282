import Archives
import FileSystem
import ResultCache
import Synchronization
import Tasks

/// One pass through a compressed member, from its start or from a seek point on, as far as anybody wants it. It then rests
/// where it is, so that whoever reads on goes on from there.
final class DecodeRun: Sendable {
  /// At every so many bytes of output the state of the decoder is kept, in members of twice that size and more: decoding takes
  /// about 20 ms from one to the next, and a state has some 50 KB.
  static let seekPointSpacing: UInt64 = 16 << 20
  /// The first request for compressed bytes; each following one is as large as what the run has taken so far.
  private static let firstRequest: UInt64 = 64 << 10
  /// From so much on one request goes to the end of the member: a reader that has come so far goes on.
  private static let wholeRestFrom: UInt64 = 8 << 20
  /// Blocks are claimed in steps of this size, ahead of the bytes, so that other readers see them coming.
  private static let claimStep: UInt64 = 1 << 20

  private struct State: Sendable {
    /// Up to where output was published.
    var position: UInt64
    var target: UInt64 = 0
    var outcome: Result<Void, FileSystemFailure>?
    var isCancelled = false
  }

  private let state: Watched<State>
  private let file: RangedFile
  private let begin: SeekPoint?

  init(_ file: RangedFile, from point: SeekPoint?) {
    self.file = file
    begin = point
    state = Watched(State(position: point?.produced ?? 0))
  }

  // MARK: - for readers

  var position: UInt64 { state.read { $0.position } }
  var isOver: Bool { state.read { $0.outcome != nil || $0.isCancelled } }

  /// Whole blocks only: a run rests where no block is half filled, since nobody could wait for it.
  func want(upTo offset: UInt64) {
    let blocks = (offset + Self.blockSize - 1) / Self.blockSize
    let target = min(file.size, blocks * Self.blockSize)
    guard state.read({ $0.target < target }) else { return }
    state.update { $0.target = max($0.target, target) }
  }

  /// Waits until the run has come past an offset.
  /// - Throws: why it won't.
  func reached(_ offset: UInt64) async throws(FileSystemFailure) {
    let result: Result<Void, FileSystemFailure>
    do {
      result = try await state.wait { state in
        if state.position >= offset { return .success(()) }
        if let outcome = state.outcome { return outcome }
        // The reader looks again, and begins another run.
        return state.isCancelled ? .success(()) : nil
      }
    } catch {
      throw FileSystemFailure(.interrupted)
    }
    try result.get()
  }

  func cancel() {
    state.update { $0.isCancelled = true }
  }

  func start() {
    Task(executorPreference: file.tools.executor) { await self.perform() }
  }

  // MARK: - the run

  private func perform() async {
    var work = Work(size: file.size, isPartly: begin != nil)
    do throws(FileSystemFailure) {
      try await decode(&work)
      work.endClaims()
      state.update { [position = work.position] in
        $0.position = max($0.position, position)
        $0.outcome = .success(())
      }
    } catch {
      file.fail(work.claims, error)
      // Before anybody is told, so that who then opens the file anew finds nothing of it.
      if error.kind == .damaged { await file.reject(error) }
      state.update { $0.outcome = .failure(error) }
    }
    if let reader = work.reader { await file.end(reader) }
    await file.completeIfWhole()
  }

  /// What the run has in hand.
  private struct Work {
    var reader: RangeReader?
    /// Compressed bytes that were taken by this run.
    var taken: UInt64 = 0
    /// In rising order; the first one is being filled.
    var claims: [SparseClaim] = []
    /// How far blocks have been claimed.
    var claimedTo: UInt64 = 0
    /// Where the first byte of output stands that was not published.
    var position: UInt64 = 0
    /// Output from there on: what nobody has claimed yet, and the last block until the checksum is known to be right, so that
    /// nobody reads a damaged file to its end.
    var held: [UInt8] = []
    /// Whether all has come, and is right.
    var isVerified = false
    /// Whether some of the output was here before: then the checksum says nothing of what is here.
    var isPartly: Bool
    /// Up to where output may be published.
    let lastBlock: UInt64
    let size: UInt64

    init(size: UInt64, isPartly: Bool) {
      self.size = size
      self.isPartly = isPartly
      lastBlock = size == 0 ? 0 : (size - 1) / DecodeRun.blockSize * DecodeRun.blockSize
    }

    var limit: UInt64 { min(claimedTo, isVerified ? size : lastBlock) }
    /// Whether output waits for blocks to be claimed.
    var waitsForClaims: Bool { !held.isEmpty && position >= claimedTo && claimedTo < (isVerified ? size : lastBlock) }

    mutating func endClaims() {
      for claim in claims { claim.finish() }
      claims = []
    }
  }

  private func decode(_ work: inout Work) async throws(FileSystemFailure) {
    let decoder = try makeDecoder()
    work.position = decoder.produced
    work.claimedTo = (decoder.produced + Self.blockSize - 1) / Self.blockSize * Self.blockSize
    var points = decoder.produced / Self.seekPointSpacing
    while let target = try await target(beyond: work.position) {
      try await claim(&work, upTo: target)
      try drain(&work)
      if work.waitsForClaims { continue }
      if work.isVerified { return }
      guard let bytes = try await compressed(decoder, &work) else { throw file.cutOff }
      work.isVerified = try feed(bytes, decoder, &work) == .ended
      if work.isVerified, !work.isPartly { file.noteProven() }
      let reached = decoder.produced / Self.seekPointSpacing
      if reached > points, file.size >= 2 * Self.seekPointSpacing, !work.isVerified {
        points = reached
        keepSeekPoint(decoder)
      }
    }
  }

  private func makeDecoder() throws(FileSystemFailure) -> MemberDecoder {
    do throws(ArchiveFailure) {
      // A snapshot of another version of the library is of no use, and no harm.
      if let begin, let decoder = try? MemberDecoder(file.place, resuming: begin.snapshot) { return decoder }
      return try MemberDecoder(file.place, spoolDirectory: file.tools.spoolDirectory)
    } catch {
      throw FileSystemFailure(error)
    }
  }

  /// Rests until more is wanted.
  /// - Returns: up to where; nil when nobody will want more.
  private func target(beyond position: UInt64) async throws(FileSystemFailure) -> UInt64? {
    if self.position < position { state.update { $0.position = position } }
    enum Wish { case upTo(UInt64), nothing }
    let wish: Wish
    do {
      wish = try await state.wait { state in
        if state.isCancelled { return .nothing }
        return state.target > position ? .upTo(state.target) : nil
      }
    } catch {
      throw FileSystemFailure(.interrupted)
    }
    if case .upTo(let target) = wish { return target }
    return nil
  }

  /// Claims the blocks that come next, as far as they are wanted; those that are here already are left out.
  private func claim(_ work: inout Work, upTo target: UInt64) async throws(FileSystemFailure) {
    let end = min(target, work.claimedTo + Self.claimStep)
    guard work.position >= work.claimedTo || work.position + Self.claimStep / 2 > work.claimedTo, work.claimedTo < end
    else { return }
    do throws(CacheFailure) {
      work.claims += try await file.object.claim(work.claimedTo..<end)
      work.claimedTo = end
    } catch {
      throw FileSystemFailure(error)
    }
  }

  fileprivate static let blockSize = UInt64(SparseObject.blockSize)

  /// The next compressed bytes, from requests that grow.
  private func compressed(_ decoder: MemberDecoder, _ work: inout Work) async throws(FileSystemFailure)
    -> ArraySlice<UInt8>?
  {
    while true {
      if let reader = work.reader {
        if let bytes = try await file.next(reader) {
          work.taken += UInt64(bytes.count)
          return bytes
        }
        await file.end(reader)
        work.reader = nil
      }
      let compressedSize = UInt64(file.place.compressedSize.bytes)
      guard decoder.consumed < compressedSize else { return nil }
      let left = compressedSize - decoder.consumed
      let size = work.taken >= Self.wholeRestFrom ? left : min(left, max(Self.firstRequest, work.taken))
      if let start = file.contentStart {
        let from = start + decoder.consumed
        work.reader = try await file.request(from: from, to: from + size)
      } else if decoder.consumed == 0 {
        work.reader = try await file.requestAtHeader(with: size)
      } else {
        await file.end(try await file.requestAtHeader(with: 0))
      }
    }
  }

  private func feed(_ bytes: ArraySlice<UInt8>, _ decoder: MemberDecoder, _ work: inout Work) throws(FileSystemFailure)
    -> MemberDecoder.Progress
  {
    do {
      return try bytes.withUnsafeBytes { raw in
        try decoder.feed(raw) { output in try self.publish(output, &work) }
      }
    } catch let failure as ArchiveFailure {
      throw FileSystemFailure(.damaged, "`\(file.name)`: \(failure.reason)")
    } catch {
      throw FileSystemFailure(any: error)
    }
  }

  private func publish(_ output: UnsafeRawBufferPointer, _ work: inout Work) throws(CacheFailure) {
    var rest = output
    if work.held.isEmpty, work.limit > work.position {
      let count = Int(min(work.limit - work.position, UInt64(output.count)))
      try write(UnsafeRawBufferPointer(rebasing: output[..<count]), &work)
      rest = UnsafeRawBufferPointer(rebasing: output[count...])
    }
    work.held += rest
  }

  /// Publishes what was held back, as far as it may be by now.
  private func drain(_ work: inout Work) throws(FileSystemFailure) {
    if work.limit > work.position, !work.held.isEmpty {
      let held = work.held
      let count = Int(min(work.limit - work.position, UInt64(held.count)))
      do {
        try held.withUnsafeBytes { try write(UnsafeRawBufferPointer(rebasing: $0[..<count]), &work) }
      } catch {
        throw FileSystemFailure(any: error)
      }
      work.held.removeFirst(count)
    }
  }

  /// Gives to each claim what belongs to it; what nobody claimed is here already, or somebody else brings it.
  private func write(_ bytes: UnsafeRawBufferPointer, _ work: inout Work) throws(CacheFailure) {
    let position = work.position
    work.position += UInt64(bytes.count)
    let end = position + UInt64(bytes.count)
    var written = 0
    defer { if written < bytes.count { work.isPartly = true } }
    while let claim = work.claims.first, claim.range.lowerBound < end {
      let from = max(position, claim.range.lowerBound)
      let to = min(end, claim.range.upperBound)
      if from < to {
        written += Int(to - from)
        try claim.append(UnsafeRawBufferPointer(rebasing: bytes[Int(from - position)..<Int(to - position)]))
      }
      guard to == claim.range.upperBound else { return }
      claim.finish()
      work.claims.removeFirst()
    }
  }

  private func keepSeekPoint(_ decoder: MemberDecoder) {
    guard let snapshot = decoder.snapshot() else { return }
    let point = SeekPoint(consumed: decoder.consumed, produced: decoder.produced, snapshot: snapshot)
    do throws(CacheFailure) {
      try file.object.seekPoints.add(point)
    } catch {
      file.tools.logger.debug("a seek point was not kept", metadata: ["reason": "\(error.reason)"])
    }
  }
}
