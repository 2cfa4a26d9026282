/// Which bytes a store is asked for.
enum StoreRange: Hashable, Sendable {
  case all
  /// Not empty.
  case bytes(Range<UInt64>)
  /// From there to an end that is not known.
  case from(UInt64)
  case last(Int)

  /// The `Range` header (RFC 9110, section 14.2).
  var header: String? {
    switch self {
    case .all: nil
    case .bytes(let range): "bytes=\(range.lowerBound)-\(range.upperBound - 1)"
    case .from(let start): "bytes=\(start)-"
    case .last(let count): "bytes=-\(count)"
    }
  }

  /// The part that a proper answer has, of a content of `total` bytes; nil where there is none to have.
  func part(of total: UInt64) -> Range<UInt64>? {
    let start: UInt64
    var end = total
    switch self {
    case .all: start = 0
    case .bytes(let range):
      start = range.lowerBound
      end = min(total, range.upperBound)
    case .from(let first): start = first
    case .last(let count): start = total - min(total, UInt64(max(0, count)))
    }
    return start < end ? start..<end : nil
  }
}

/// A `Content-Range` header (RFC 9110, section 14.4): `bytes 0-99/1234` or, of a refused range, `bytes */1234`.
struct ContentRange: Hashable, Sendable {
  /// Nil for `*`.
  let range: Range<UInt64>?
  /// Nil for `*`, and then the rest is of no use here.
  let total: UInt64?

  init?(_ text: String) {
    let words = text.split(separator: " ", omittingEmptySubsequences: true)
    guard words.count == 2, words[0].lowercased() == "bytes" else { return nil }
    let parts = words[1].split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    if parts[1] == "*" {
      total = nil
    } else {
      guard let number = Self.number(parts[1]) else { return nil }
      total = number
    }
    if parts[0] == "*" {
      range = nil
      return
    }
    let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
    guard ends.count == 2, let first = Self.number(ends[0]), let last = Self.number(ends[1]), first <= last,
      last < total ?? .max
    else { return nil }
    range = first..<(last + 1)
  }

  /// Digits only: what takes a sign elsewhere does not here. No larger than a file can be.
  private static func number(_ text: Substring) -> UInt64? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int64(text).map { UInt64($0) }
  }
}
