/// An amount of money in whole micro-dollars (1/1,000,000 dollar).
///
/// Money is never held in floating point: every charge is rounded up to a whole micro-dollar, so that
/// a sum of charges is exact. Arithmetic saturates at the ends of the range instead of trapping: an absurd
/// amount must be refused by a cap, not crash a mount that holds other people's files open.
public struct Dollars: Hashable, Comparable, Sendable {
  /// The amount in micro-dollars; negative only for differences (a cap that is overrun).
  public let microDollars: Int64

  public static let zero = Dollars(microDollars: 0)

  public init(microDollars: Int64) {
    self.microDollars = microDollars
  }

  /// Reads a decimal amount of dollars such as `20`, `0.12` or `$1.5`.
  ///
  /// Returns nil for anything that is not a plain non-negative decimal number, for more than six decimals (they would
  /// have to be rounded, and a cap is never rounded), and for amounts beyond the range.
  public init?(decimal text: String) {
    var rest = Substring(text)
    if rest.first == "$" { rest = rest.dropFirst() }
    let parts = rest.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let whole = parts.first, !whole.isEmpty, whole.utf8.allSatisfy(isDigit) else { return nil }
    let fraction = parts.count == 2 ? parts[1] : ""
    if parts.count == 2, fraction.isEmpty || fraction.utf8.count > 6 { return nil }
    guard fraction.utf8.allSatisfy(isDigit), let dollars = Int64(whole) else { return nil }
    let padded = fraction + String(repeating: "0", count: 6 - fraction.utf8.count)
    let (scaled, overflow) = dollars.multipliedReportingOverflow(by: 1_000_000)
    guard !overflow, let micro = Int64(padded) else { return nil }
    let (sum, overflowed) = scaled.addingReportingOverflow(micro)
    guard !overflowed else { return nil }
    self.init(microDollars: sum)
  }

  public static func < (left: Dollars, right: Dollars) -> Bool { left.microDollars < right.microDollars }

  /// Saturating sum.
  public static func + (left: Dollars, right: Dollars) -> Dollars {
    let (sum, overflow) = left.microDollars.addingReportingOverflow(right.microDollars)
    guard overflow else { return Dollars(microDollars: sum) }
    return Dollars(microDollars: right.microDollars > 0 ? .max : .min)
  }

  /// Saturating difference.
  public static func - (left: Dollars, right: Dollars) -> Dollars {
    let (difference, overflow) = left.microDollars.subtractingReportingOverflow(right.microDollars)
    guard overflow else { return Dollars(microDollars: difference) }
    return Dollars(microDollars: right.microDollars > 0 ? .min : .max)
  }

  public static func += (left: inout Dollars, right: Dollars) { left = left + right }
}

extension Dollars: CustomStringConvertible {
  /// Dollars with exactly six decimals and no currency sign, as every file and table shows them: `0.120000`.
  public var description: String {
    let magnitude = microDollars.magnitude
    let fraction = String(magnitude % 1_000_000)
    let padding = String(repeating: "0", count: 6 - fraction.utf8.count)
    return "\(microDollars < 0 ? "-" : "")\(magnitude / 1_000_000).\(padding)\(fraction)"
  }
}

/// What a source charges for 10^9 bytes.
///
/// APIS.md: whether the provider's GB is 10^9 or 2^30 bytes is not said; 10^9 is the dearer reading, so it is assumed.
public struct PricePerGigabyte: Hashable, Sendable {
  public let dollars: Dollars

  public static let free = PricePerGigabyte(.zero)

  public init(_ dollars: Dollars) {
    self.dollars = dollars
  }

  /// Whether an access to this source costs nothing at all.
  public var isFree: Bool { dollars == .zero }

  /// The charge for `bytes`, rounded up to a whole micro-dollar; saturates at the end of the range.
  public func charge(for bytes: ByteCount) -> Dollars {
    guard bytes.bytes > 0, dollars.microDollars > 0 else { return .zero }
    let product = UInt64(bytes.bytes).multipliedFullWidth(by: UInt64(dollars.microDollars))
    let gigabyte: UInt64 = 1_000_000_000
    // dividingFullWidth traps when the quotient does not fit, which is the case exactly when high >= divisor.
    guard product.high < gigabyte else { return Dollars(microDollars: .max) }
    let (quotient, remainder) = gigabyte.dividingFullWidth(product)
    let rounded = remainder == 0 ? quotient : quotient &+ 1
    return Dollars(microDollars: Int64(exactly: rounded) ?? .max)
  }
}

private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
