import Foundation
import Tasks

/// How large a download is expected to be, and how that is known.
public struct Estimate: Sendable, Hashable {
  public enum Basis: String, Sendable, Hashable, CaseIterable {
    /// The size is known: the same task was downloaded before, and results don't change.
    case exact
    /// The size can only be learned from the download.
    case assumed
  }

  /// The sum of the original sizes.
  public let bytes: ByteCount
  public let basis: Basis
  /// One line for people: where the number comes from.
  public let evidence: String

  public init(bytes: ByteCount, basis: Basis, evidence: String) {
    self.bytes = bytes
    self.basis = basis
    self.evidence = evidence
  }
}
