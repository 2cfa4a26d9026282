import Synchronization
import TestSupport
import Testing

@testable import Providers

@Suite struct RateTests {
  /// The model: every grant is written down, and none may be closer to the one before than the rate allows; and nobody
  /// is refused whose turn it is.
  @Test func theScheduleKeepsTheRateAndWastesNothing() {
    let seed = UInt64.random(in: .min ... .max)
    print("seed \(seed)")
    var random = SeededGenerator(seed: seed)
    for rate in [0.5, 1, 3, 10, 1000] {
      var schedule = RateSchedule(perSecond: rate)
      let interval = Duration.seconds(1 / rate)
      var now = Duration.zero
      var earliest = Duration.zero
      for _ in 0..<2000 {
        now += .nanoseconds(Int64.random(in: 0...Int64(2e9 / rate), using: &random))
        if Int.random(in: 0..<20, using: &random) == 0 {
          let pause = Duration.milliseconds(Int64.random(in: 0...3000, using: &random))
          schedule.pause(for: pause, at: now)
          earliest = max(earliest, now + pause)
        }
        let ahead = Int.random(in: 0..<5, using: &random)
        #expect(schedule.wait(ahead: ahead, at: now) == max(.zero, earliest - now) + interval * ahead)
        let isDue = now >= earliest
        let isTaken = schedule.take(at: now)
        #expect(isTaken == isDue, "seed \(seed)")
        if isDue { earliest = now + interval }
      }
    }
  }

  @Test func noLimitIsNoLimit() {
    var schedule = RateSchedule(perSecond: 0)
    schedule.pause(for: .seconds(100), at: .zero)
    for _ in 0..<100 {
      let isFree = schedule.take(at: .zero)
      #expect(isFree)
    }
    #expect(schedule.wait(ahead: 1000, at: .zero) == .zero)
    var absurd = RateSchedule(perSecond: 1e-300)
    let isFree = absurd.take(at: .zero)
    #expect(isFree)
    #expect(absurd.wait(ahead: 1000, at: .zero) > .seconds(1))
  }

  @Test func firstComeFirstServed() async throws {
    let order = Order()
    // One after the other into the queue, which moves only once the clock is let go.
    let gate = HeldClock()
    let held = RateLimiter(perSecond: 1, clock: gate.clock)
    try await held.acquire(patience: .seconds(60))
    var waiters: [Task<Void, any Error>] = []
    for index in 0..<10 {
      waiters.append(
        Task {
          try await held.acquire(patience: .seconds(60))
          order.add(index)
          gate.release()
        })
      try await eventually { held.waitingCount > index }
    }
    gate.release()
    for waiter in waiters { try await waiter.value }
    #expect(order.all == Array(0..<10))
  }

  @Test func whoWouldWaitTooLongIsToldAtOnce() async throws {
    let gate = HeldClock()
    let limiter = RateLimiter(perSecond: 1, clock: gate.clock)
    try await limiter.acquire(patience: .seconds(2))
    let waiters = (0..<2).map { _ in Task { try await limiter.acquire(patience: .seconds(2)) } }
    try await eventually { limiter.waitingCount == 2 }
    let refusal = await #expect(throws: RateLimiter.Refusal.self) { try await limiter.acquire(patience: .seconds(2)) }
    #expect(refusal == .tooManyWaiting(ahead: 2))
    // Who gives up makes room.
    for waiter in waiters { waiter.cancel() }
    for waiter in waiters { await #expect(throws: RateLimiter.Refusal.cancelled) { try await waiter.value } }
    #expect(limiter.waitingCount == 0)
    gate.release()
  }

  @Test func aLimitOfOneASecondSpacesTheRequestsOfASource() async throws {
    let server = try ScriptedServer { _, _ in Fixture.reply(200, Fixture.running()) }
    let bench = try Bench(port: server.port, rate: 1)
    for _ in 0..<4 { _ = try await bench.status().get() }
    #expect(bench.clock.sleeps == Array(repeating: .seconds(1), count: 3))
    await bench.shutdown()
  }
}

private final class Order: Sendable {
  private let indices = Mutex<[Int]>([])
  var all: [Int] { indices.withLock { $0 } }
  func add(_ index: Int) { indices.withLock { $0.append(index) } }
}

/// A clock whose sleepers sleep until they are let go, one second further each.
private final class HeldClock: Sendable {
  private struct State {
    var now: Duration = .zero
    var sleeper: CheckedContinuation<Void, Never>?
    var credit = 0
  }

  private let state = Mutex(State())

  var clock: SourceClock {
    SourceClock(
      now: { self.state.withLock { $0.now } },
      sleep: { _ in
        await withCheckedContinuation { continuation in
          let isFree = self.state.withLock { state in
            guard state.credit > 0 else {
              state.sleeper = continuation
              return false
            }
            state.credit -= 1
            state.now += .seconds(1)
            return true
          }
          if isFree { continuation.resume() }
        }
      })
  }

  func release() {
    let sleeper = state.withLock { state in
      defer { state.sleeper = nil }
      if state.sleeper == nil { state.credit += 1 } else { state.now += .seconds(1) }
      return state.sleeper
    }
    sleeper?.resume()
  }
}
