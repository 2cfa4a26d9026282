import Archives
import FileSystem
import ResultCache
import Synchronization
import Tasks

// Compressed content: runs of the decoder, and which of them comes past an offset soonest.

extension RangedFile {
  func decode(_ range: Range<UInt64>, ahead: UInt64) async throws(FileSystemFailure) {
    let wanted = min(size, range.upperBound + ahead)
    guard let missing = object.missing(in: range).first else {
      // Here, or coming: then only what is ahead is of interest, to the run that is about there.
      let runs = state.withLock { $0.decoders.filter { !$0.isOver && $0.position <= wanted } }
      runs.max { $0.position < $1.position }?.want(upTo: wanted)
      return
    }
    // nil where what was missing has come meanwhile: the caller looks again.
    guard let run = await decoder(for: max(range.lowerBound, missing.lowerBound)) else { return }
    run.want(upTo: wanted)
    try await run.reached(range.upperBound)
  }

  /// The run that comes past an offset soonest: one that is under way, or one that begins at a seek point, or at the start.
  private func decoder(for offset: UInt64) async -> DecodeRun? {
    let block = offset / UInt64(SparseObject.blockSize) * UInt64(SparseObject.blockSize)
    func nearest(_ state: inout State) -> DecodeRun? {
      state.decoders.removeAll { $0.isOver }
      return state.decoders.filter { $0.position <= block }.max { $0.position < $1.position }
    }
    let known = state.withLock { nearest(&$0) }
    if let known, block - known.position < DecodeRun.seekPointSpacing { return known }
    let point = block >= DecodeRun.seekPointSpacing ? await seekPoint(before: block) : nil
    let fresh = DecodeRun(self, from: point)
    // In one step: of several who come at the same moment one begins, and the others follow it. A run that has just gone past
    // the offset has brought it.
    let (run, superfluous) = state.withLock { state -> (DecodeRun?, DecodeRun?) in
      if let run = nearest(&state), point.map({ $0.produced <= run.position }) ?? true { return (run, nil) }
      if object.missing(in: offset..<min(size, offset + 1)).isEmpty { return (nil, nil) }
      state.decoders.append(fresh)
      // Each holds a window and a connection: the oldest gives way, and begins again at a seek point if it is wanted.
      return (fresh, state.decoders.count > Self.decoderLimit ? state.decoders.removeFirst() : nil)
    }
    superfluous?.cancel()
    if run === fresh { fresh.start() }
    return run
  }

  private static let decoderLimit = 4

  private func seekPoint(before offset: UInt64) async -> SeekPoint? {
    let points = object.seekPoints
    return await Task(executorPreference: tools.executor) { try? points.nearest(atOrBefore: offset) }.value
  }
}
