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
  let closing: ClosingAccounts
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
    /// Whether all that is here was compared with the checksum, while it came or afterwards.
    var isProven = false
    /// Of stored content that came in this run; nil once something came twice, or failed to be written.
    var sums: ContentSums? = ContentSums()
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
    tools.closing.close(account)
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

  var lastFailure: FileSystemFailure? { state.withLock { $0.failure } }

  /// The failure of the fetch that the cache tells of, or the cache's own.
  func explained(_ failure: CacheFailure) -> FileSystemFailure {
    if failure.kind != .cancelled, let known = lastFailure, known.reason == failure.reason { return known }
    return FileSystemFailure(failure)
  }

  func fail(_ claims: [SparseClaim], _ failure: FileSystemFailure) {
    state.withLock { state in
      state.failure = failure
      state.sums = nil
    }
    let kind: CacheFailure.Kind = failure.kind == .noSpace ? .noSpace : .io
    for claim in claims { claim.fail(CacheFailure(kind, failure.reason)) }
  }
}
