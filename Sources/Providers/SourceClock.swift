/// The time as this room sees it; tests put their own in, so that nobody waits for a backoff.
struct SourceClock: Sendable {
  /// Time since some fixed moment; never goes back.
  let now: @Sendable () -> Duration
  /// Returns after the given time, or at once when the task is cancelled.
  let sleep: @Sendable (Duration) async -> Void

  static let system: SourceClock = {
    let start = ContinuousClock.now
    return SourceClock(
      now: { ContinuousClock.now - start },
      // Cancellation is asked for by those who slept: here it only ends the sleep.
      sleep: { try? await Task.sleep(for: $0) })
  }()
}
