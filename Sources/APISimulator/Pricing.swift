/// What downloads cost.
public struct Pricing: Sendable, Equatable {
  /// When a download is charged, which the API doesn't say.
  public enum Moment: String, Sendable {
    /// As its stream begins, which the check of the balance beforehand suggests.
    case start
    /// When all of it has been sent.
    case end
  }

  /// Micro-dollars for 10^9 bytes.
  public var microDollarsPerGB: Int64
  public var chargedAt: Moment

  /// "$0.12/1GB download", as the download page has it. It doesn't say whether a GB is 10^9 or 2^30 bytes; 10^9 is dearer.
  public init(microDollarsPerGB: Int64 = 120_000, chargedAt: Moment = .start) {
    self.microDollarsPerGB = microDollarsPerGB
    self.chargedAt = chargedAt
  }

  /// Micro-dollars for so many bytes, rounded up.
  public func cost(of bytes: Int64) -> Int64 {
    let gigabyte: Int64 = 1_000_000_000
    // By whole gigabytes and the rest, so that no product overflows.
    let rest = bytes % gigabyte * microDollarsPerGB
    return bytes / gigabyte * microDollarsPerGB + (rest + gigabyte - 1) / gigabyte
  }
}
