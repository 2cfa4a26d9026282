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

/// What is known of a task's size before it is downloaded; decides the ``Estimate``.
struct SizeKnowledge: Sendable {
  /// The largest of the task's own settled downloads, and its day in local time (`2026-03-14`).
  var ownDownload: (bytes: ByteCount, day: String)?
  /// The size that the cache's index has of the complete listing.
  var indexedSize: ByteCount?
  /// The most that arrived of a download of this task that was never settled.
  var arrivedBefore = ByteCount.zero
  /// The sizes of the source's settled downloads, in any order.
  var sourceHistory: [ByteCount] = []
  var assumeUnknown = BudgetCaps.defaultAssumption

  /// Of two numbers for the same thing the larger one is taken: an estimate that is too high is settled down, one that is
  /// too low lets a cap be overrun.
  func estimate() -> Estimate {
    if let ownDownload, ownDownload.bytes >= indexedSize ?? .zero {
      let evidence = "its own download of \(ownDownload.day)"
      return Estimate(bytes: ownDownload.bytes, basis: .exact, evidence: evidence)
    }
    if let indexedSize {
      return Estimate(bytes: indexedSize, basis: .exact, evidence: "its listing in the cache")
    }
    var assumed = Estimate(bytes: assumeUnknown, basis: .assumed, evidence: "assume_unknown")
    if let usual = Self.percentile95(of: sourceHistory), usual > assumed.bytes {
      let evidence = "95th percentile of \(sourceHistory.count) downloads"
      assumed = Estimate(bytes: usual, basis: .assumed, evidence: evidence)
    }
    if arrivedBefore > assumed.bytes {
      assumed = Estimate(bytes: arrivedBefore, basis: .assumed, evidence: "what arrived of an earlier download of it")
    }
    return assumed
  }

  /// The smallest of the sizes that at least 95 of 100 do not exceed (nearest rank), or nil for none.
  static func percentile95(of sizes: [ByteCount]) -> ByteCount? {
    guard !sizes.isEmpty else { return nil }
    let rank = (sizes.count * 95 + 99) / 100
    return sizes.sorted()[rank - 1]
  }
}
