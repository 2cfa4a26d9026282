import Foundation

/// The day and the month of local time that a moment lies in.
struct BudgetWindows: Sendable, Hashable {
  let timeZone: TimeZone
  let day: DateInterval
  let month: DateInterval

  init(at moment: Date, timeZone: TimeZone) {
    self.timeZone = timeZone
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = timeZone
    // Asked of the calendar, since a local day has 23 or 25 hours when the clocks change, and may not begin at midnight.
    day = calendar.dateInterval(of: .day, for: moment) ?? Self.fallback(moment, days: 1)
    month = calendar.dateInterval(of: .month, for: moment) ?? Self.fallback(moment, days: 31)
  }

  /// When a cap's window began and when it ends; nil for one that is no window of time.
  func interval(of cap: BudgetCap) -> DateInterval? {
    switch cap {
    case .daily: day
    case .monthly: month
    case .total, .perTask, .perOpen: nil
    }
  }

  /// The calendar has no answer only for dates beyond its range; a window that reaches back too far refuses too much, never too little.
  private static func fallback(_ moment: Date, days: Double) -> DateInterval {
    let length = days * 86_400
    return DateInterval(start: moment.addingTimeInterval(-length), duration: length)
  }
}

/// How dates are written for people and for programs.
enum DateText {
  /// `2026-03-14T10:12:03+01:00`, or with `Z` in UTC.
  static func moment(_ date: Date, in timeZone: TimeZone) -> String {
    date.formatted(Date.ISO8601FormatStyle(timeZoneSeparator: .colon, timeZone: timeZone))
  }

  /// `2026-03-14`.
  static func day(_ date: Date, in timeZone: TimeZone) -> String {
    date.formatted(Date.ISO8601FormatStyle(timeZone: timeZone).year().month().day())
  }

  static var utc: TimeZone { TimeZone(secondsFromGMT: 0) ?? .current }
}
