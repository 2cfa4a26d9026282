import FoundationEssentials

/// A date as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7). The two obsolete forms are not read.
enum HTTPDate {
  static func parse(_ text: String) -> Date? {
    let text = text.filter { $0 != " " }
    guard let comma = text.firstIndex(of: ","), text.hasSuffix("GMT") else { return nil }
    let rest = Array(text[text.index(after: comma)...].dropLast(3))
    guard rest.count == 17, rest[11] == ":", rest[14] == ":" else { return nil }
    let number = { (range: Range<Int>) in Int(String(rest[range])) }
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    guard let month = months.firstIndex(of: String(rest[2..<5])), let day = number(0..<2), let year = number(5..<9),
      let hour = number(9..<11), let minute = number(12..<14), let second = number(15..<17)
    else { return nil }
    return date(year: year, month: month + 1, day: day, second: hour * 3_600 + minute * 60 + second)
  }

  /// - Parameter second: of the day, in UTC.
  static func date(year: Int, month: Int, day: Int, second: Int) -> Date? {
    guard (1970...9999).contains(year), (1...12).contains(month), (1...31).contains(day), (0...86_400).contains(second)
    else { return nil }
    return Date(timeIntervalSince1970: Double(daysSinceEpoch(year: year, month: month, day: day) * 86_400 + second))
  }

  /// Counts days with years that begin in March, so that the leap day comes last.
  private static func daysSinceEpoch(year: Int, month: Int, day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let monthFromMarch = (month + 9) % 12
    let leapDays = shifted / 4 - shifted / 100 + shifted / 400
    return shifted * 365 + leapDays + (monthFromMarch * 153 + 2) / 5 + day - 1 - 719_468
  }
}
