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
    guard let date = HTTPDate.parse(text) else { return nil }
    return .seconds(max(0, min(31_536_000, date.timeIntervalSince(now).rounded(.up))))
  }
}
