import FoundationEssentials
import Synchronization

/// The time as the APIs tell it: the `Date` of the last answer, carried on by a clock that nobody can set.
///
/// The machine's own clock may jump, or be set by hand; a budget's new day begins only when this one agrees. A signed store
/// is not asked: it is not who bills.
public final class ServerTime: Sendable {
  private struct Observation: Sendable {
    let date: Date
    let at: Duration
  }

  private let last = Mutex<Observation?>(nil)
  private let monotonic: @Sendable () -> Duration

  public convenience init() {
    let start = ContinuousClock.now
    // It also runs while the machine is suspended.
    self.init(monotonic: { ContinuousClock.now - start })
  }

  init(monotonic: @escaping @Sendable () -> Duration) {
    self.monotonic = monotonic
  }

  /// Takes in a `Date` header; one that can't be read changes nothing.
  public func observe(_ header: String) {
    guard let date = HTTPDate.parse(header) else { return }
    observe(date)
  }

  /// Takes in what an API said just now. The last word counts: an API that corrects its clock is believed.
  public func observe(_ date: Date) {
    let observation = Observation(date: date, at: monotonic())
    last.withLock { $0 = observation }
  }

  /// What the APIs' clock would say now; nil before the first answer. Right to a second or two, as the header is.
  public func now() -> Date? {
    guard let last = last.withLock({ $0 }) else { return nil }
    return last.date.addingTimeInterval((monotonic() - last.at).inSeconds)
  }
}
