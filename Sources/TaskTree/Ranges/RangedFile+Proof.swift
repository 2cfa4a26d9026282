import Archives
import FileSystem
import ResultCache
import Synchronization
import Tasks

// Whether the content that came is right, as a whole.

extension RangedFile {
  /// Once everything is here it is checked as a whole, and becomes an ordinary file of the cache: once, whoever notices.
  func completeIfWhole() async {
    guard object.presentBytes.bytes == Int64(size) else { return }
    // Told to whoever opens it next, and to the log.
    try? await completed()
  }

  /// Waits until the content, all of which has been fetched, is checked.
  /// - Throws: `.damaged`.
  func completed() async throws(FileSystemFailure) {
    let (flight, isMine) = state.withLock { state -> (Flight<Void>, Bool) in
      if let flight = state.completion { return (flight, false) }
      let flight = Flight<Void>()
      state.completion = flight
      return (flight, true)
    }
    if isMine { Task { flight.land(await complete()) } }
    try await flight.value()
  }

  private func complete() async -> Result<Void, FileSystemFailure> {
    do throws(CacheFailure) {
      try await object.complete(contentChecksum: { crc32($0, continuing: $1) })
      tools.isComplete(task)
      return .success(())
    } catch {
      let failure = FileSystemFailure(error)
      state.withLock { state in
        state.completion = nil
        state.failure = failure
      }
      tools.isComplete(task)
      if failure.kind == .damaged {
        spoil(failure)
      } else {
        tools.logger.error("\(error.reason)", metadata: ["task": "\(task)", "file": "\(name)"])
      }
      return .failure(failure)
    }
  }

  /// Whoever gets the last byte that was missing waits until the whole is known to be right, so that nobody comes to the end of
  /// a file with wrong bytes in it without being told.
  func proveIfWhole() async throws(FileSystemFailure) {
    if let expected = member.crc32, !state.withLock({ $0.isProven }), object.presentBytes.bytes == Int64(size) {
      try await prove(expected)
    }
    if let damage = state.withLock({ $0.damage }) { throw damage }
  }

  private func prove(_ expected: UInt32) async throws(FileSystemFailure) {
    if let sum = state.withLock({ $0.sums?.whole(size) }) {
      // All of it came in this run, and was summed up on the way: nothing has to be read once more.
      guard sum != expected else { return noteProven() }
      await reject(FileSystemFailure(.damaged, "\(name) does not match the checksum that it came with"))
      return
    }
    do throws(FileSystemFailure) {
      try await completed()
      noteProven()
    } catch {
      // What keeps a right content from being kept is no matter of its reader.
      if error.kind == .damaged { throw error }
    }
  }

  /// Stored content of this checksum has come.
  func note(_ sum: UInt32, of range: Range<UInt64>) {
    state.withLock { state in
      if state.sums?.add(range, sum) == false { state.sums = nil }
    }
  }

  /// All of the content was compared with its checksum.
  func noteProven() {
    state.withLock { $0.isProven = true }
  }

  var isSpoilt: Bool { state.withLock { $0.damage != nil } }

  /// The content that came is wrong. Those who have this file open are told so from now on; the next open fetches it anew.
  func spoil(_ failure: FileSystemFailure) {
    let decoders = state.withLock { state -> [DecodeRun]? in
      guard state.damage == nil else { return nil }
      (state.damage, state.failure) = (failure, failure)
      return state.decoders
    }
    guard let decoders else { return }
    for run in decoders { run.cancel() }
    tools.spoilt.add(member.ordinal, of: task)
    tools.isSpoilt(task)
    tools.logger.error("\(failure.reason)", metadata: ["task": "\(task)", "file": "\(name)"])
  }

  /// The same, found by a decoder: what came of it to the cache is given up.
  func reject(_ failure: FileSystemFailure) async {
    spoil(failure)
    do throws(CacheFailure) {
      try await object.reject(because: failure.reason)
    } catch {
      tools.logger.error("\(error.reason)", metadata: ["task": "\(task)", "file": "\(name)"])
    }
  }
}
