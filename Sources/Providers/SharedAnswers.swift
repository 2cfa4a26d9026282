import Tasks

/// One question at a time for everybody who asks the same, and its answer for a moment after.
///
/// Nobody's cancellation takes the answer from the others; when the last one who waits has gone, the question is dropped.
actor SharedAnswers<Key: Hashable & Sendable, Value: Sendable> {
  typealias Answer = Result<Value, SourceFailure>

  private struct Flight {
    let id: Int
    let task: Task<Void, Never>
    var waiting: [Int: CheckedContinuation<Answer, Never>] = [:]
  }

  private let freshness: Duration
  private let clock: SourceClock
  private var flights: [Key: Flight] = [:]
  private var fresh: [Key: (value: Value, since: Duration)] = [:]
  private var lastID = 0

  /// - Parameter freshness: for how long after its arrival an answer serves others, too. Failures never do.
  init(freshness: Duration, clock: SourceClock) {
    self.freshness = freshness
    self.clock = clock
  }

  func answer(to key: Key, asking: @escaping @Sendable () async -> Answer) async throws(SourceFailure) -> Value {
    if Task.isCancelled { throw .cancelled }
    let now = clock.now()
    fresh = fresh.filter { now - $0.value.since < freshness }
    if let known = fresh[key] { return known.value }
    let flight = flights[key]?.id ?? start(key, asking)
    let waiter = newID()
    let answer = await withTaskCancellationHandler {
      await withCheckedContinuation { flights[key]?.waiting[waiter] = $0 }
    } onCancel: {
      // It runs on this actor, hence after the line above.
      Task { await self.leave(waiter, flight, key) }
    }
    return try answer.get()
  }

  /// How many wait for this answer just now.
  func waiting(for key: Key) -> Int { flights[key]?.waiting.count ?? 0 }

  private func start(_ key: Key, _ asking: @escaping @Sendable () async -> Answer) -> Int {
    let id = newID()
    flights[key] = Flight(id: id, task: Task { finish(id, key, await asking()) })
    return id
  }

  private func finish(_ id: Int, _ key: Key, _ answer: Answer) {
    guard let flight = flights[key], flight.id == id else { return }
    flights[key] = nil
    if freshness > .zero, case .success(let value) = answer { fresh[key] = (value, clock.now()) }
    for waiter in flight.waiting.values { waiter.resume(returning: answer) }
  }

  private func leave(_ waiter: Int, _ id: Int, _ key: Key) {
    guard var flight = flights[key], flight.id == id, let gone = flight.waiting.removeValue(forKey: waiter) else {
      return
    }
    gone.resume(returning: .failure(.cancelled))
    flights[key] = flight.waiting.isEmpty ? nil : flight
    if flight.waiting.isEmpty { flight.task.cancel() }
  }

  private func newID() -> Int {
    lastID += 1
    return lastID
  }
}
