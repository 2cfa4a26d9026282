import FileSystem
import ResultCache
import Synchronization
import Tasks

/// One running download of a task's results, as everybody who waits for it sees it.
final class Download: Sendable {
  struct State: Sendable {
    /// What has been published so far: every file here has its exact size.
    var index = ResultIndex()
    /// The content of published files, complete or still growing.
    var content: [ByteKey: GrowingObject] = [:]
    /// Set once, at the very end.
    var outcome: Result<StoredResults, FileSystemFailure>?
  }

  let task: TaskPath
  private let state = Watched(State())
  private let counters = Mutex(DownloadProgress())

  init(_ task: TaskPath) {
    self.task = task
  }

  // MARK: - for those who wait

  /// Waits for the end.
  /// - Throws: the failure in which the download ended before it brought anything, or `.interrupted`.
  func ended() async throws(FileSystemFailure) -> StoredResults {
    try await waiting { $0.outcome }
  }

  /// Waits until a name is known, or known not to come.
  func find(_ components: [String]) async throws(FileSystemFailure) -> ResultIndex.Found? {
    try await waiting { state in
      if let found = state.index.find(components) { return .success(found) }
      return state.outcome?.map { $0.index.find(components) }
    }
  }

  /// Waits until the content of a file begins to arrive; nil when the download ended without it.
  func content(of components: [String]) async throws(FileSystemFailure) -> GrowingObject? {
    let key = ByteKey(components)
    return try await waiting { state in
      if let object = state.content[key] { return .success(object) }
      return state.outcome?.map { _ in nil }
    }
  }

  /// What is known of a name at this moment.
  func found(_ components: [String]) -> ResultIndex.Found? {
    state.read { $0.index.find(components) }
  }

  /// A file that has been published so far.
  func published(_ components: [String]) -> ResultIndex.File? {
    state.read { $0.index.file(components) }
  }

  var progress: DownloadProgress { counters.withLock { $0 } }

  var isOver: Bool { state.read { $0.outcome != nil } }

  private func waiting<Value: Sendable>(
    for condition: @Sendable (State) -> Result<Value, FileSystemFailure>?
  ) async throws(FileSystemFailure) -> Value {
    let result: Result<Value, FileSystemFailure>
    do {
      result = try await state.wait(for: condition)
    } catch {
      throw FileSystemFailure(.interrupted)
    }
    return try result.get()
  }

  // MARK: - for the one who downloads

  func publish(_ file: ResultIndex.File, content: GrowingObject?) {
    state.update { state in
      state.index.insert(file)
      if let content { state.content[ByteKey(file.components)] = content }
    }
    counters.withLock { $0.files += 1 }
  }

  func publishDirectory(_ components: [String], modified: Timestamp?) {
    state.update { $0.index.insertDirectory(components, modified: modified) }
  }

  func end(_ outcome: Result<StoredResults, FileSystemFailure>) {
    state.update { state in
      if state.outcome == nil { state.outcome = outcome }
    }
  }

  func advance(received: Int, original: ByteCount) {
    counters.withLock { counters in
      counters.received += ByteCount(received)
      counters.original = original
    }
  }

  /// One more request for a part of a package.
  func countRequest() {
    counters.withLock { $0.requests += 1 }
  }

  func announce(expected: ByteCount?, assumed: ByteCount) {
    counters.withLock { counters in
      counters.announced = expected
      counters.assumed = assumed
    }
  }
}

/// How far a download has come.
public struct DownloadProgress: Hashable, Sendable {
  /// Bytes received from the network.
  public var received = ByteCount.zero
  /// Bytes of original file content among them: what the provider bills.
  public var original = ByteCount.zero
  /// The length of the body that the server announced, if it did.
  public var announced: ByteCount?
  /// The original size that was reserved for.
  public var assumed = ByteCount.zero
  /// Files published so far.
  public var files = 0
  /// Requests for parts of a package.
  var requests = 0
}
