import Synchronization

/// When the next request of a source may leave, for a limit of so many a second. Pure.
///
/// A bucket of one token: requests are spaced evenly, because a server that counts per second may see two bursts of a
/// larger bucket in one of its seconds.
struct RateSchedule: Hashable, Sendable {
  /// The space between two requests; nil for no limit.
  let interval: Duration?
  private var nextFree: Duration = .zero

  /// - Parameter perSecond: requests a second; 0 for no limit.
  init(perSecond: Double) {
    // A day: beyond that the limit is a mistake, and the arithmetic must not overflow.
    interval = perSecond > 0 ? .seconds(min(86_400, 1 / perSecond)) : nil
  }

  /// Takes the turn at `now`, if it is due.
  mutating func take(at now: Duration) -> Bool {
    guard let interval else { return true }
    guard now >= nextFree else { return false }
    nextFree = now + interval
    return true
  }

  /// How long the one with `ahead` others before it waits at most.
  func wait(ahead: Int, at now: Duration) -> Duration {
    guard let interval else { return .zero }
    return max(.zero, nextFree - now) + interval * ahead
  }

  /// Nothing leaves for this long: the server said that it has had enough.
  mutating func pause(for time: Duration, at now: Duration) {
    guard interval != nil else { return }
    nextFree = max(nextFree, now + time)
  }
}

/// Lets requests through one at a time, first come, first served, at the rate of a ``RateSchedule``.
final class RateLimiter: Sendable {
  enum Refusal: Error, Hashable {
    case cancelled
    /// The wait would be longer than the caller's patience.
    case tooManyWaiting(ahead: Int)
  }

  private struct State: ~Copyable {
    var schedule: RateSchedule
    var waiting: [(id: Int, turn: CheckedContinuation<Bool, Never>)] = []
    var nextID = 0
    var isPumping = false
  }

  private enum Entry {
    case passed
    case refused(ahead: Int)
    case queue
  }

  private let state: Mutex<State>
  private let clock: SourceClock

  init(perSecond: Double, clock: SourceClock) {
    state = Mutex(State(schedule: RateSchedule(perSecond: perSecond)))
    self.clock = clock
  }

  /// Waits for the caller's turn.
  /// - Throws: `.tooManyWaiting`, at once, when the turn would come later than `patience`.
  func acquire(patience: Duration) async throws(Refusal) {
    if Task.isCancelled { throw .cancelled }
    let entry = state.withLock { state -> Entry in
      let now = clock.now()
      if state.waiting.isEmpty, state.schedule.take(at: now) { return .passed }
      let ahead = state.waiting.count
      return state.schedule.wait(ahead: ahead, at: now) > patience ? .refused(ahead: ahead) : .queue
    }
    switch entry {
    case .passed: return
    case .refused(let ahead): throw .tooManyWaiting(ahead: ahead)
    case .queue: break
    }
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    let passed = await withTaskCancellationHandler {
      await withCheckedContinuation { turn in enqueue(id, turn) }
    } onCancel: {
      leave(id)
    }
    if !passed { throw .cancelled }
  }

  /// Holds everybody back for a while.
  func pause(for time: Duration) {
    state.withLock { $0.schedule.pause(for: time, at: clock.now()) }
  }

  var waitingCount: Int { state.withLock { $0.waiting.count } }

  private func enqueue(_ id: Int, _ turn: CheckedContinuation<Bool, Never>) {
    // Asked under the lock: a cancellation that comes later finds the waiter in the queue.
    let isCancelled = state.withLock { state in
      if Task.isCancelled { return true }
      state.waiting.append((id, turn))
      if !state.isPumping {
        state.isPumping = true
        Task { await pump() }
      }
      return false
    }
    if isCancelled { turn.resume(returning: false) }
  }

  private func leave(_ id: Int) {
    let turn = state.withLock { state in
      state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0).turn }
    }
    turn?.resume(returning: false)
  }

  private func pump() async {
    while true {
      let (turn, pause) = state.withLock { state -> (CheckedContinuation<Bool, Never>?, Duration?) in
        guard !state.waiting.isEmpty else {
          state.isPumping = false
          return (nil, nil)
        }
        let now = clock.now()
        guard state.schedule.take(at: now) else { return (nil, state.schedule.wait(ahead: 0, at: now)) }
        return (state.waiting.removeFirst().turn, .zero)
      }
      guard let pause else { return }
      turn?.resume(returning: true)
      if pause > .zero { await clock.sleep(pause) }
    }
  }
}
