import FoundationEssentials

/// When a signed URL ends, as far as it says so itself. Pure.
enum SignatureExpiry {
  /// Reads S3's and Google's `X-...-Date` and `X-...-Expires`, Azure's `se`, and the older `Expires` of S3, Google and
  /// CloudFront. Nil for everything else: then a refusal tells.
  static func date(of address: WebAddress) -> Date? {
    guard let mark = address.target.firstIndex(of: "?") else { return nil }
    var fields: [String: String] = [:]
    for field in address.target[address.target.index(after: mark)...].split(separator: "&") {
      let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, let value = PercentCoding.decode(parts[1]) else { continue }
      fields[parts[0].lowercased()] = value
    }
    for family in ["x-amz", "x-goog"] {
      if let start = fields["\(family)-date"].flatMap(basicDate),
        let seconds = fields["\(family)-expires"].flatMap({ Int64($0) }), (0...31_536_000).contains(seconds)
      {
        return start.addingTimeInterval(Double(seconds))
      }
    }
    if fields["sig"] != nil, let end = fields["se"].flatMap(extendedDate) { return end }
    // Seconds since 1970; up to the year 9999.
    guard let end = fields["expires"].flatMap({ Int64($0) }), (0...253_402_300_799).contains(end) else { return nil }
    return Date(timeIntervalSince1970: Double(end))
  }

  /// `20261128T150500Z`.
  private static func basicDate(_ text: String) -> Date? {
    let digits = text.filter { $0.isASCII && $0.isNumber }
    return text.count == 16 && digits.count == 14 ? date(digits: Array(digits)) : nil
  }

  /// `2026-11-28T15:05:00Z`, also without seconds or time, and with a fraction of a second.
  private static func extendedDate(_ text: String) -> Date? {
    let whole = text.prefix { $0 != "." && $0 != "Z" }
    var digits = whole.filter { $0.isASCII && $0.isNumber }
    guard [8, 12, 14].contains(digits.count) else { return nil }
    digits += String(repeating: "0", count: 14 - digits.count)
    return date(digits: Array(digits))
  }

  private static func date(digits: [Character]) -> Date? {
    let number = { (range: Range<Int>) in Int(String(digits[range])) ?? -1 }
    let (hour, minute, second) = (number(8..<10), number(10..<12), number(12..<14))
    guard (0...24).contains(hour), (0...59).contains(minute), (0...60).contains(second) else { return nil }
    return HTTPDate.date(
      year: number(0..<4), month: number(4..<6), day: number(6..<8), second: hour * 3_600 + minute * 60 + second)
  }
}

enum PercentCoding {
  /// Nil for a % without its two digits, and for bytes that are not UTF-8.
  static func decode(_ text: some StringProtocol) -> String? {
    bytes(text).flatMap { String(validating: $0, as: UTF8.self) }
  }

  static func bytes(_ text: some StringProtocol) -> [UInt8]? {
    var bytes: [UInt8] = []
    var rest = Substring(text).utf8
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else { return nil }
      bytes.append(high << 4 | low)
    }
    return bytes
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    Character(Unicode.Scalar(byte)).hexDigitValue.map { UInt8($0) }
  }
}
