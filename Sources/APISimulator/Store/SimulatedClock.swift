import Glibc

/// What the servers' clock shows, in the `Date` of every answer and in the addresses that are signed.
public enum SimulatedClock: Sendable, Equatable {
  case real
  /// So many seconds ahead of the real one; behind it when negative.
  case offset(Double)
  /// Stands still at so many seconds since 1970.
  case fixed(Double)
  /// As the real one, but no answer has a `Date`.
  case unsaid

  /// - Parameter wallClock: the real one.
  func seconds(_ wallClock: Double) -> Double {
    switch self {
    case .real, .unsaid: wallClock
    case .offset(let seconds): wallClock + seconds
    case .fixed(let seconds): seconds
    }
  }
}

/// A moment in UTC, in the forms that the protocols want. By hand, because strftime(3) follows the locale.
struct Moment {
  private let parts: tm

  init(_ seconds: Double) {
    var time = time_t(seconds.rounded(.down))
    var parts = tm()
    gmtime_r(&time, &parts)
    self.parts = parts
  }

  private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  private func padded(_ number: Int32, _ width: Int = 2) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, width - text.count)) + text
  }

  private var clock: [String] { [padded(parts.tm_hour), padded(parts.tm_min), padded(parts.tm_sec)] }
  private var date: [String] { [padded(parts.tm_year + 1900, 4), padded(parts.tm_mon + 1), padded(parts.tm_mday)] }

  /// RFC 9110, 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
  var http: String {
    let (day, month) = (Self.days[Int(parts.tm_wday)], Self.months[Int(parts.tm_mon)])
    return "\(day), \(date[2]) \(month) \(date[0]) \(clock.joined(separator: ":")) GMT"
  }

  /// `2026-03-13T09:30:00Z`
  var iso: String { "\(date.joined(separator: "-"))T\(clock.joined(separator: ":"))Z" }

  /// As signed addresses have it: `20260313T093000Z`.
  var compact: String { "\(date.joined())T\(clock.joined())Z" }

  /// The date alone, as the scope of a signature has it: `20260313`.
  var compactDate: String { date.joined() }
}
