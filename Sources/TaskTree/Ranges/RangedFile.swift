import Archives
import FileSystem
import Logging
import ResultCache
import Synchronization
import Tasks

/// What all files of packages that are read by ranges share.
struct RangeTools: Sendable {
  let packages: PackageDesk
  let known: KnownPieces
  /// Threads that may block: what arrives is written to the disk there.
  let executor: BlockingExecutor
  /// On the cache's disk, for what has to be collected before it can be decoded.
  let spoolDirectory: String
  let metrics: Metrics
  let logger: Logger
  /// Called when the store has another version of a task's package than the cache.
  let hasChanged: @Sendable (TaskPath, PackageVersion) async -> Void
  /// Called when a member has arrived as a whole.
  let isComplete: @Sendable (TaskPath) -> Void
  let spoilt = SpoiltFiles()
  /// Called when content has turned out wrong of which the kernel may keep some.
  let isSpoilt: @Sendable (TaskPath) -> Void
}

/// A member of a package whose content is fetched where it is read: one for all who have it open.
///
/// Lock order: before that of its ``object``; never held across an await.
final class RangedFile: Sendable {
  let task: TaskPath
  let member: CachedMember
  let place: MemberPlace
  let isBare: Bool
  let version: PackageVersion
  let object: SparseObject
  let account: RangeAccount
  let tools: RangeTools
  let source: any TaskSource

  struct State {
    /// Where the content begins in the package, once its header has been read.
    var contentStart: UInt64?
    /// Somebody who reads the header at this moment.
    var locating: Flight<UInt64>?
    /// The last failure of a fetch, in its own terms: the cache only passes on that there was one.
    var failure: FileSystemFailure?
    var readers = 0
    /// The check of the whole, once everything was here.
    var completion: Flight<Void>?
    var decoders: [DecodeRun] = []
    /// That the content which came is wrong: whoever has read some of it gets no more.
    var damage: FileSystemFailure?
    /// Whether all that is here was compared with the checksum while it was decoded.
    var isProven = false
  }

  let state: Mutex<State>

  init(
    task: TaskPath, member: CachedMember, place: CachedPlace, version: PackageVersion, object: SparseObject,
    source: any TaskSource, account: RangeAccount, tools: RangeTools
  ) {
    self.task = task
    self.member = member
    self.place = MemberPlace(place, of: member)
    isBare = place.isBare
    self.version = version
    self.object = object
    self.source = source
    self.account = account
    self.tools = tools
    // A package that is no archive is its own content.
    state = Mutex(State(contentStart: place.isBare ? 0 : nil))
  }

  var size: UInt64 { object.size }

  // MARK: - opening and closing

  /// How much of a file its open fetches, so that the open tells what is wrong: what most programs look at first.
  private static let firstLook: UInt64 = UInt64(SparseObject.blockSize)

  /// One more reader. Fetches the first bytes, unless they are here.
  /// - Throws: why they can't be had.
  func open() async throws(FileSystemFailure) {
    let isFirst = state.withLock { state in
      state.readers += 1
      return state.readers == 1
    }
    do throws(FileSystemFailure) {
      let look = 0..<min(size, Self.firstLook)
      if isFirst, !object.missing(in: 0..<size).isEmpty { try await account.open() }
      if !look.isEmpty { try await read(look, ahead: 0) }
    } catch {
      close()
      throw error
    }
  }

  /// One reader less. What was begun for the last one ends; the account is settled.
  func close() {
    let ended: [DecodeRun]? = state.withLock { state in
      state.readers -= 1
      guard state.readers <= 0 else { return nil }
      defer { state.decoders = [] }
      return state.decoders
    }
    guard let ended else { return }
    for run in ended { run.cancel() }
    Task { [account] in await account.settle() }
  }

  // MARK: - reading

  /// Waits until a range is here, fetching what is missing of it and so many bytes behind it.
  func read(_ range: Range<UInt64>, ahead: UInt64) async throws(FileSystemFailure) {
    // Each round brings all that is missing, or fails. More than one is for blocks that turned out damaged, were brought by
    // somebody who gave up, or lay behind a header that was longer than expected.
    for _ in 0..<Self.rounds {
      if let damage = state.withLock({ $0.damage }) { throw damage }
      if isBare || place.isStored {
        try await fetch(range, ahead: ahead)
      } else {
        try await decode(range, ahead: ahead)
      }
      let end: SparseWait
      do throws(CacheFailure) {
        end = try await object.wait(for: range)
      } catch {
        throw explained(error)
      }
      if end == .arrived { return try await proveIfWhole() }
    }
    throw lastFailure ?? FileSystemFailure(.inputOutput, "the content of \(name) does not come, whatever is tried")
  }

  private static let rounds = 6

  var name: String { member.path.joined(separator: "/") }

  private var lastFailure: FileSystemFailure? { state.withLock { $0.failure } }

  /// The failure of the fetch that the cache tells of, or the cache's own.
  private func explained(_ failure: CacheFailure) -> FileSystemFailure {
    if failure.kind != .cancelled, let known = lastFailure, known.reason == failure.reason { return known }
    return FileSystemFailure(failure)
  }

  // MARK: - stored content

  private func fetch(_ range: Range<UInt64>, ahead: UInt64) async throws(FileSystemFailure) {
    let horizon = range.lowerBound..<min(size, range.upperBound + ahead)
    guard let first = object.missing(in: horizon).first?.lowerBound,
      let wanted = ReadAhead.fetch(
        range, ahead: ahead, firstMissing: max(first, range.lowerBound), size: size)
    else { return }
    let claims: [SparseClaim]
    do throws(CacheFailure) {
      claims = try await object.claim(wanted)
    } catch {
      throw explained(error)
    }
    for claim in claims {
      Task(executorPreference: tools.executor) { await self.bring(claim) }
    }
  }

  /// Fetches what was claimed; whoever waits for it learns how that went.
  private func bring(_ claim: SparseClaim) async {
    do throws(FileSystemFailure) {
      try await copy(into: claim)
      claim.finish()
    } catch {
      fail([claim], error)
    }
    await completeIfWhole()
  }

  private func copy(into claim: SparseClaim) async throws(FileSystemFailure) {
    guard let start = try await locatedStart() else { return try await copyFromHeader(into: claim) }
    let reader = try await request(from: start + claim.range.lowerBound, to: start + claim.range.upperBound)
    try await finishing(reader) { (reader) async throws(FileSystemFailure) in
      try await pour(reader, into: claim)
      guard reader.position == reader.end else { throw cutOff }
    }
  }

  /// Where the content begins; nil where it is this caller's to find out, by ``copyFromHeader(into:)``.
  private func locatedStart() async throws(FileSystemFailure) -> UInt64? {
    let (known, flight) = state.withLock { state -> (UInt64?, Flight<UInt64>?) in
      if let start = state.contentStart { return (start, nil) }
      if let flight = state.locating { return (nil, flight) }
      state.locating = Flight()
      return (nil, nil)
    }
    if let known { return known }
    return try await flight?.value()
  }

  private func located(_ result: Result<UInt64, FileSystemFailure>) {
    let flight = state.withLock { state in
      defer { state.locating = nil }
      if case .success(let start) = result { state.contentStart = start }
      return state.locating
    }
    flight?.land(result)
  }

  /// The header and what follows it in one request, where that is wanted. What does not fit, since the header was longer than
  /// expected, is asked for by whoever waits for it.
  private func copyFromHeader(into claim: SparseClaim) async throws(FileSystemFailure) {
    let isAtStart = claim.range.lowerBound == 0
    let reader: RangeReader
    do throws(FileSystemFailure) {
      reader = try await requestAtHeader(with: isAtStart ? claim.range.upperBound : 0)
      located(.success(reader.position))
    } catch {
      located(.failure(error))
      throw error
    }
    try await finishing(reader) { (reader) async throws(FileSystemFailure) in
      if isAtStart { try await pour(reader, into: claim) }
    }
    if !isAtStart { try await copy(into: claim) }
  }

  private func pour(_ reader: RangeReader, into claim: SparseClaim) async throws(FileSystemFailure) {
    var left = claim.range.upperBound - claim.range.lowerBound
    while left > 0, let bytes = try await next(reader, atMost: Int(clamping: left)) {
      do {
        try bytes.withUnsafeBytes { try claim.append($0) }
      } catch {
        throw FileSystemFailure(any: error)
      }
      left -= UInt64(bytes.count)
    }
  }

  var cutOff: FileSystemFailure {
    FileSystemFailure(.damaged, "\(name): the package ends before the content does")
  }

  func fail(_ claims: [SparseClaim], _ failure: FileSystemFailure) {
    state.withLock { $0.failure = failure }
    let kind: CacheFailure.Kind = failure.kind == .noSpace ? .noSpace : .io
    for claim in claims { claim.fail(CacheFailure(kind, failure.reason)) }
  }

  // MARK: - compressed content

  private func decode(_ range: Range<UInt64>, ahead: UInt64) async throws(FileSystemFailure) {
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
