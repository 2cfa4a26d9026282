import FoundationEssentials

/// The `Retry-After` header: seconds, or a date (RFC 9110, section 10.2.3).
enum RetryAfter {
  /// Nil for what can't be read; a date in the past is zero.
  static func parse(_ text: String?, now: Date = Date()) -> Duration? {
    guard let text = text.map({ $0.filter { $0 != " " } }), !text.isEmpty else { return nil }
    if text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
      // More than a year is "never" to anybody who waits, and must not overflow.
      return .seconds(min(Int64(text) ?? .max, 31_536_000))
    }
    guard let date = parseDate(text) else { return nil }
    return .seconds(max(0, min(31_536_000, date.timeIntervalSince(now).rounded(.up))))
  }

  /// `Sun,06Nov199408:49:37GMT`: the preferred form without its spaces. The two obsolete forms are not read.
  private static func parseDate(_ text: String) -> Date? {
    guard let comma = text.firstIndex(of: ","), text.hasSuffix("GMT") else { return nil }
    let rest = Array(text[text.index(after: comma)...].dropLast(3))
    guard rest.count == 17, rest[11] == ":", rest[14] == ":" else { return nil }
    let number = { (range: Range<Int>) in Int(String(rest[range])) }
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    guard let month = months.firstIndex(of: String(rest[2..<5])), let day = number(0..<2), let year = number(5..<9),
      let hour = number(9..<11), let minute = number(12..<14), let second = number(15..<17),
      (1...31).contains(day), (1970...9999).contains(year)
    else { return nil }
    let days = daysSinceEpoch(year: year, month: month + 1, day: day)
    return Date(timeIntervalSince1970: Double(days * 86_400 + hour * 3_600 + minute * 60 + second))
  }

  /// Counts days with years that begin in March, so that the leap day comes last.
  private static func daysSinceEpoch(year: Int, month: Int, day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let monthFromMarch = (month + 9) % 12
    let leapDays = shifted / 4 - shifted / 100 + shifted / 400
    return shifted * 365 + leapDays + (monthFromMarch * 153 + 2) / 5 + day - 1 - 719_468
  }
}
