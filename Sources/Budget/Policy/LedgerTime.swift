import Foundation

/// Which moment the ledger reckons by, from three that may contradict one another. Pure.
///
/// A clock that is wrong must neither refund what is spent nor, once it is right again, keep later windows shut. So:
/// - Nothing is ever reckoned earlier than the last event: a clock that runs backwards reopens no window.
/// - A later day or month begins when the machine's clock **and** an API's say so: the earlier of the two counts.
/// - While no API has said the time, the machine's clock moves on only inside the day of the last event. Beyond that the time of
///   the last event counts, which is the stricter reckoning, and a wrong time does not become the highest one that was seen.
/// - The first event of a ledger has nothing to contradict: there the machine is believed.
struct LedgerTime: Sendable, Hashable {
  /// What the machine's clock says.
  let machine: Date
  /// What an API has said, carried on to the present; nil when none was heard.
  let vouched: Date?
  /// The time of the last event; nil for an empty ledger.
  let last: Date?
  let timeZone: TimeZone

  /// An API's `Date` has whole seconds and is as old as the answer was long on its way: at most the usual `read_timeout` of 30 s.
  static let tolerance: TimeInterval = 30

  /// All in whole milliseconds, as the ledger keeps them.
  init(machine: Date, vouched: Date?, last: Date?, timeZone: TimeZone) {
    self.machine = Date(milliseconds: machine.milliseconds)
    self.vouched = vouched.map { Date(milliseconds: $0.milliseconds) }
    self.last = last
    self.timeZone = timeZone
  }

  /// The moment that counts.
  var now: Date {
    guard let last else { return vouched.map(confirmed(by:)) ?? machine }
    if let vouched { return max(last, confirmed(by: vouched)) }
    let today = BudgetWindows(at: last, timeZone: timeZone).day
    return machine < today.end ? max(last, machine) : last
  }

  private func confirmed(by vouched: Date) -> Date {
    min(machine, vouched.addingTimeInterval(Self.tolerance))
  }

  /// Set when by the machine's clock a later day has begun than the one that counts.
  var doubt: ClockDoubt? {
    guard machine >= BudgetWindows(at: now, timeZone: timeZone).day.end else { return nil }
    return ClockDoubt(machine: machine, vouched: vouched)
  }
}

/// The machine's clock says that a new day has begun, and no API has confirmed it.
public struct ClockDoubt: Sendable, Hashable {
  public let machine: Date
  /// What an API says instead; nil when none was heard in this process.
  public let vouched: Date?

  /// A clause for people.
  func text(in timeZone: TimeZone) -> String {
    let says = "this machine's clock says \(DateText.moment(machine, in: timeZone))"
    guard let vouched else { return "\(says), which no API has confirmed yet" }
    return "\(says), but the API's \(DateText.moment(vouched, in: timeZone))"
  }
}

/// Everything that the time of an event follows from, besides the ledger itself.
struct Timekeeper: Sendable {
  let clock: any BudgetClock
  let vouchedTime: @Sendable () -> Date?
  let timeZone: TimeZone

  func time(after last: Date?) -> LedgerTime {
    LedgerTime(machine: clock.now(), vouched: vouchedTime(), last: last, timeZone: timeZone)
  }
}
