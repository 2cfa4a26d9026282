import FoundationEssentials
import TestSupport
import Testing

@testable import Providers

@Suite struct PolicyTests {
  private func pauses(_ policy: RetryPolicy, _ cause: RetryPolicy.Cause, seed: UInt64) -> [Duration] {
    var random = SeededGenerator(seed: seed)
    var result: [Duration] = []
    while let pause = policy.pause(afterRepeats: result.count, cause: cause, random: &random) { result.append(pause) }
    return result
  }

  @Test func pausesDoubleUpToTheirBoundAndJitterOnlyUp() {
    let seed = UInt64.random(in: .min ... .max)
    print("seed \(seed)")
    let policy = RetryPolicy(repeats: 8)
    let limited = pauses(policy, .rateLimited(retryAfter: nil), seed: seed)
    for (pause, base) in zip(limited, [1, 2, 4, 8, 16, 32, 32, 32]) {
      #expect(pause >= .seconds(base) && pause <= .seconds(base) * 1.25, "seed \(seed)")
    }
    #expect(limited.count == 8)
    for (pause, base) in zip(pauses(policy, .passing, seed: seed), [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]) {
      #expect(pause >= .milliseconds(base) && pause <= .milliseconds(base) * 1.25, "seed \(seed)")
    }
    #expect(Set(limited).count > 4)
  }

  @Test func noRepeatsMeansNone() {
    #expect(pauses(RetryPolicy(repeats: 0), .passing, seed: 1).isEmpty)
    #expect(pauses(RetryPolicy(repeats: -3), .passing, seed: 1).isEmpty)
  }

  @Test func retryAfterRaisesThePauseAndEndsItWhenAbsurd() {
    let policy = RetryPolicy(repeats: 1)
    #expect(pauses(policy, .rateLimited(retryAfter: .seconds(20)), seed: 1).allSatisfy { $0 >= .seconds(20) })
    #expect(pauses(policy, .rateLimited(retryAfter: .zero), seed: 1).allSatisfy { $0 >= .seconds(1) })
    #expect(pauses(policy, .rateLimited(retryAfter: .seconds(61)), seed: 1).isEmpty)
  }

  @Test(arguments: [
    ("7", 7), ("0", 0), (" 12 ", 12), ("99999999999999999999999", 31_536_000),
    ("Sun, 06 Nov 1994 08:50:37 GMT", 60), ("Sun, 06 Nov 1994 08:49:37 GMT", 0), ("Sat, 05 Nov 1994 08:49:37 GMT", 0),
    ("Thu, 29 Feb 1996 00:00:00 GMT", 31_536_000),
  ]) func retryAfterIsRead(text: String, seconds: Int) {
    // Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
    let now = Date(timeIntervalSince1970: 784_111_777)
    #expect(RetryAfter.parse(text, now: now) == .seconds(seconds))
  }

  @Test(arguments: ["", "soon", "-1", "1.5", "Sun, 99 Xxx 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37", "１２"])
  func whatIsNoRetryAfterIsNil(text: String) {
    #expect(RetryAfter.parse(text) == nil)
  }

  private let network = NetworkSettings(readTimeout: .seconds(30), minimumRate: 100)

  private func expect(_ watch: inout StallWatch, at now: Duration, _ expected: StallWatch.Verdict) {
    let verdict = watch.verdict(at: now)
    #expect(verdict == expected, "at \(now)")
  }

  @Test func silenceIsNoticedExactlyAtTheReadTimeout() {
    var watch = StallWatch(network)
    watch.beginWait(at: .seconds(100))
    expect(&watch, at: .seconds(100), .fine(checkAgainIn: .seconds(30)))
    expect(&watch, at: .seconds(129), .fine(checkAgainIn: .seconds(1)))
    watch.received(1, at: .seconds(129))
    expect(&watch, at: .seconds(158), .fine(checkAgainIn: .seconds(1)))
    expect(&watch, at: .seconds(159), .silent)
  }

  @Test func aReaderWhoDoesNotWaitIsNeverLetDown() {
    var watch = StallWatch(network)
    for hour in 0..<100 {
      expect(&watch, at: .seconds(hour * 3600), .fine(checkAgainIn: .seconds(30)))
    }
  }

  /// Waits of 29 seconds for a few bytes each, with long pauses of the reader's own in between.
  private func trickle(bytesEach: Int, waits: Int) -> StallWatch.Verdict {
    var watch = StallWatch(network)
    var now = Duration.zero
    var verdict = StallWatch.Verdict.fine(checkAgainIn: .zero)
    for _ in 0..<waits {
      watch.beginWait(at: now)
      now += .seconds(29)
      watch.received(bytesEach, at: now)
      watch.endWait(at: now)
      verdict = watch.verdict(at: now)
      if case .fine = verdict { now += .seconds(1000) } else { return verdict }
    }
    return verdict
  }

  @Test func theFloorIsAnAverageOverFourReadTimeoutsOfWaiting() {
    #expect(trickle(bytesEach: 2800, waits: 50) == .tooSlow(bytes: 14_000, over: .seconds(145)))
    #expect(trickle(bytesEach: 2900, waits: 50) == .fine(checkAgainIn: .seconds(30)))
    #expect(trickle(bytesEach: 1, waits: 4) == .fine(checkAgainIn: .seconds(30)))
  }
}
