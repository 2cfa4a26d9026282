/// When a failed request is made again, and after which pause. Whether it may be is decided elsewhere.
public struct RetryPolicy: Hashable, Sendable {
  public enum Cause: Hashable, Sendable {
    /// 429, with what the server asked for in `Retry-After`, if it did.
    case rateLimited(retryAfter: Duration?)
    /// A lost connection, no answer, a 5xx: things that pass.
    case passing
  }

  /// Repeats after the first try.
  public var repeats: Int
  /// "Back off from 1 s, doubling to 32 s, on 429" (APIS.md).
  public var rateLimitedFirst: Duration = .seconds(1)
  public var rateLimitedLongest: Duration = .seconds(32)
  /// A lost connection is mostly mended by the very next one, so the first pause is short.
  public var passingFirst: Duration = .milliseconds(250)
  public var passingLongest: Duration = .seconds(8)
  /// A server that asks for a longer pause gets none: the caller is told at once instead of waiting in vain.
  public var longestRetryAfter: Duration = .seconds(60)

  public init(repeats: Int) {
    self.repeats = max(0, repeats)
  }

  /// The pause before repeat number `done` + 1, or nil when there shall be no more.
  ///
  /// Up to a quarter is added at random, so that clients that failed together do not return together; nothing is taken
  /// away, since the pauses are what the API asks for at least.
  /// - Parameter done: repeats made so far, 0 after the first try.
  public func pause(
    afterRepeats done: Int, cause: Cause, random: inout some RandomNumberGenerator
  ) -> Duration? {
    guard done >= 0, done < repeats else { return nil }
    let pause: Duration
    switch cause {
    case .rateLimited(let asked):
      if let asked, asked > longestRetryAfter { return nil }
      let own = Self.doubled(rateLimitedFirst, times: done, longest: rateLimitedLongest)
      // A server that says "now" is still backed off from: Retry-After: 0 in a loop would be a busy loop.
      pause = max(own, asked ?? .zero)
    case .passing:
      pause = Self.doubled(passingFirst, times: done, longest: passingLongest)
    }
    return pause + pause * Double.random(in: 0...0.25, using: &random)
  }

  private static func doubled(_ first: Duration, times: Int, longest: Duration) -> Duration {
    var pause = first
    for _ in 0..<times where pause < longest { pause = pause * 2 }
    return min(pause, longest)
  }
}
