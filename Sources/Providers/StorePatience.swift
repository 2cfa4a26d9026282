import Tasks

/// How often, and after which pause, a store is asked again for the same bytes. Pure.
struct StorePatience: Sendable {
  enum Step: Hashable, Sendable {
    case giveUp
    case again(after: Duration)
    case renew
  }

  /// Requests in a row that brought nothing, or next to nothing: a store that fails after every few bytes must come to an end.
  static let mostInVain = 100
  /// Further renewals for URLs that had ended by their own word when they were refused: one that lives for a second may have
  /// been signed at the end of it.
  static let mostEnded = 4
  /// Less than this between two breaks is hardly progress: then there is a pause, so that nobody is asked in a tight loop.
  static let someProgress: UInt64 = 4096

  private let policy: RetryPolicy
  private var repeats = 0
  private var slips = 0
  private var refusals = 0
  private var endedRefusals = 0
  private var inVain = 0

  init(_ policy: RetryPolicy) {
    self.policy = policy
  }

  /// - Parameter hasEnded: whether the URL says itself that its time is over.
  mutating func step(after remedy: StoreFailure.Remedy, hasEnded: Bool) -> Step {
    inVain += 1
    guard inVain <= Self.mostInVain else { return .giveUp }
    switch remedy {
    case .none, .withoutSuffix: return .giveUp
    case .again:
      slips += 1
      return slips > 1 ? .giveUp : .again(after: .zero)
    case .renew:
      if hasEnded, endedRefusals < Self.mostEnded {
        endedRefusals += 1
      } else {
        refusals += 1
      }
      return refusals > 1 ? .giveUp : .renew
    case .pause(let cause):
      var random = SystemRandomNumberGenerator()
      guard let pause = policy.pause(afterRepeats: repeats, cause: cause, random: &random) else { return .giveUp }
      repeats += 1
      return .again(after: pause)
    }
  }

  /// A stream broke after so many bytes. With at least one, everything is counted anew.
  /// - Returns: how long to wait before asking for the rest; nil to give up.
  mutating func pause(afterBreakWith bytes: UInt64, mayPass: Bool) -> Duration? {
    if bytes > 0 { (repeats, slips, refusals, endedRefusals) = (0, 0, 0, 0) }
    guard mayPass else { return nil }
    if bytes >= Self.someProgress {
      inVain = 0
      return .zero
    }
    switch step(after: .pause(.passing), hasEnded: false) {
    case .again(let pause): return pause
    case .giveUp, .renew: return nil
    }
  }
}
