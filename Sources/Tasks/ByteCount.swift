/// A number of bytes, never negative.
public struct ByteCount: Hashable, Comparable, Sendable {
  public let bytes: Int64

  public static let zero = ByteCount(0)

  /// Negative numbers become zero: a count that was computed from a damaged header must not turn into a refund.
  public init(_ bytes: Int64) {
    self.bytes = max(0, bytes)
  }

  public init(_ bytes: Int) {
    self.init(Int64(bytes))
  }

  /// Reads `1 GB`, `500MB`, `64 KiB`, `10 GiB` or a plain number of bytes. Decimal units are powers of 1000, `i` units of 1024.
  ///
  /// Returns nil for anything else, for fractions of a byte and for more than 2^63-1 bytes.
  public init?(parsing text: String) {
    let trimmed = text.filter { $0 != " " && $0 != "_" }
    let digits = trimmed.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = trimmed.dropFirst(digits.count).uppercased()
    guard let factor = Self.factors[unit] else { return nil }
    let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
    guard let first = parts.first, parts.count <= 2, let whole = Int64(first) else { return nil }
    var (total, overflow) = whole.multipliedReportingOverflow(by: factor)
    guard !overflow else { return nil }
    if parts.count == 2 {
      let fraction = parts[1]
      guard let numerator = Int64(fraction), fraction.count <= 9 else { return nil }
      let denominator = fraction.reduce(into: Int64(1)) { result, _ in result *= 10 }
      let scaled = numerator.multipliedReportingOverflow(by: factor)
      guard !scaled.overflow, scaled.partialValue % denominator == 0 else { return nil }
      (total, overflow) = total.addingReportingOverflow(scaled.partialValue / denominator)
      guard !overflow else { return nil }
    }
    self.init(total)
  }

  private static let factors: [String: Int64] = [
    "": 1, "B": 1,
    "KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000, "TB": 1_000_000_000_000,
    "K": 1_000, "M": 1_000_000, "G": 1_000_000_000, "T": 1_000_000_000_000,
    "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40,
  ]

  public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }

  /// Saturating sum.
  public static func + (left: ByteCount, right: ByteCount) -> ByteCount {
    let (sum, overflow) = left.bytes.addingReportingOverflow(right.bytes)
    return ByteCount(overflow ? .max : sum)
  }

  /// Difference, zero where it would be negative.
  public static func - (left: ByteCount, right: ByteCount) -> ByteCount {
    ByteCount(left.bytes - right.bytes)
  }

  public static func += (left: inout ByteCount, right: ByteCount) { left = left + right }
}

extension ByteCount: CustomStringConvertible {
  /// The plain number of bytes.
  public var description: String { String(bytes) }

  /// For people: `1.50 GB`, powers of 1000.
  public var formatted: String {
    let units: [(String, Int64)] = [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)]
    guard let (name, factor) = units.first(where: { bytes >= $0.1 }) else { return "\(bytes) B" }
    let hundredths = bytes / (factor / 100)
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction) \(name)"
  }
}
