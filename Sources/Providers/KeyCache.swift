import Tasks

/// Keeps a key for a while, and asks its provider once for everybody who needs it at the same moment: a command may put
/// a prompt on somebody's screen.
actor KeyCache {
  /// A key that was replaced in its file or variable is used after this time at the latest, even while the old one is
  /// still accepted.
  static let lifetime: Duration = .seconds(300)

  private let provider: any KeyProvider
  private let clock: SourceClock
  private var cached: (key: APIKey, since: Duration)?
  private var isReading = false
  private var waiting: [Int: CheckedContinuation<Result<APIKey, SourceFailure>, Never>] = [:]
  private var nextID = 0

  init(_ provider: any KeyProvider, clock: SourceClock) {
    self.provider = provider
    self.clock = clock
  }

  /// The key: kept, or read now.
  func key() async throws(SourceFailure) -> APIKey {
    if let cached, clock.now() - cached.since < Self.lifetime { return cached.key }
    return try await read()
  }

  /// To be called when the API refused `key`: reads again.
  /// - Returns: whether there is another key now, so that a second try makes sense.
  func replace(refused key: APIKey) async throws(SourceFailure) -> Bool {
    if let cached, cached.key != key { return true }
    cached = nil
    return try await read() != key
  }

  private func read() async throws(SourceFailure) -> APIKey {
    if !isReading {
      isReading = true
      Task { finish(await Self.result(of: provider)) }
    }
    let id = nextID
    nextID += 1
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Result<APIKey, SourceFailure>, Never>) in
        if Task.isCancelled {
          continuation.resume(returning: .failure(.cancelled))
        } else {
          waiting[id] = continuation
        }
      }
    } onCancel: {
      Task { await self.leave(id) }
    }
    return try result.get()
  }

  private static func result(of provider: any KeyProvider) async -> Result<APIKey, SourceFailure> {
    do {
      return .success(try await provider.key())
    } catch {
      return .failure(error)
    }
  }

  private func finish(_ result: Result<APIKey, SourceFailure>) {
    isReading = false
    if case .success(let key) = result { cached = (key, clock.now()) }
    let everybody = waiting
    waiting = [:]
    for continuation in everybody.values { continuation.resume(returning: result) }
  }

  private func leave(_ id: Int) {
    waiting.removeValue(forKey: id)?.resume(returning: .failure(.cancelled))
  }
}

extension SourceFailure {
  /// The caller's task was cancelled before anything was sent.
  static let cancelled = SourceFailure(.cancelled, "cancelled")
}
