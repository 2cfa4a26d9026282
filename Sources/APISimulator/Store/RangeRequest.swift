/// The `Range` of a request (RFC 9110, 14.1.2).
enum RangeRequest: Equatable {
  /// `bytes=A-B`, and `bytes=A-` with no last.
  case from(Int64, last: Int64?)
  /// `bytes=-N`
  case suffix(Int64)

  /// nil for what a server ignores: another unit, several ranges at once, or no range at all.
  init?(_ header: String?) {
    guard let header, let equals = header.firstIndex(of: "="), header[..<equals].lowercased() == "bytes" else {
      return nil
    }
    let ends = header[header.index(after: equals)...].split(separator: "-", omittingEmptySubsequences: false)
    guard ends.count == 2 else { return nil }
    switch (Self.number(ends[0]), Self.number(ends[1])) {
    case (let first?, let last?) where first <= last: self = .from(first, last: last)
    case (let first?, nil) where ends[1].isEmpty: self = .from(first, last: nil)
    case (nil, let count?) where ends[0].isEmpty: self = .suffix(count)
    default: return nil
    }
  }

  private static func number(_ text: Substring) -> Int64? {
    text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int64(text) : nil
  }

  var isSuffix: Bool { if case .suffix = self { true } else { false } }

  /// The bytes it means of so many; nil when there are none (416).
  func range(of size: Int64) -> Range<Int64>? {
    switch self {
    case .from(let first, let last):
      guard first < size else { return nil }
      return first..<min(size, (last ?? size - 1) + 1)
    case .suffix(let count):
      guard count > 0, size > 0 else { return nil }
      return max(0, size - count)..<size
    }
  }
}
