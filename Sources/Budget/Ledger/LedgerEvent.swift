import Foundation
import Tasks

/// One thing that happened to the money. Events are only ever added: the present state of every purchase follows from them.
public struct LedgerEvent: Sendable, Hashable {
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    /// Money was put aside before a request left.
    case reserved
    /// The real cost is known.
    case settled
    /// Nothing was charged.
    case released
    /// Nobody knows what was charged: it counts as spent.
    case unsettled
    /// More came than was reserved.
    case overrun
    /// A person let one purchase of a task pass the caps.
    case approved
    /// A reservation needed the approval and used it up.
    case approvalUsed = "approval_used"
  }

  /// Counts up; zero for an event that is not written yet.
  public let id: Int64
  /// Never earlier than that of the event before it. Whole milliseconds.
  public let time: Date
  public let kind: Kind
  /// The purchase it belongs to; nil for ``Kind/approved``.
  public let purchase: Int64?
  public let task: TaskPath
  /// Reserved, original or seen so far, by ``kind``.
  public let bytes: ByteCount
  /// Put aside, charged, seen so far or approved, by ``kind``.
  public let amount: Dollars
  /// Who asked for the purchase or gave the approval.
  public let requester: Requester
  /// What was opened.
  public let path: String
  /// What the source charged for a gigabyte; free for an approval.
  public let price: PricePerGigabyte
  /// Why so many bytes were reserved; nil for every other kind.
  public let estimate: Estimate?
  /// One line for people; empty where there is nothing to say.
  public let reason: String
  /// The process that answers for the reservation; nil for every other kind.
  let owner: ProcessIdentity?

  /// The same event under the number that it got when it was written.
  func numbered(_ id: Int64) -> LedgerEvent {
    LedgerEvent(
      id: id, time: time, kind: kind, purchase: purchase, task: task, bytes: bytes, amount: amount,
      requester: requester, path: path, price: price, estimate: estimate, reason: reason, owner: owner)
  }
}

extension LedgerEvent {
  /// What an event about an existing purchase looks like.
  init(
    _ kind: Kind, of purchase: Purchase, at time: Date, bytes: ByteCount, amount: Dollars, reason: String = ""
  ) {
    self.init(
      id: 0, time: time, kind: kind, purchase: purchase.id, task: purchase.task, bytes: bytes, amount: amount,
      requester: purchase.requester, path: purchase.path, price: purchase.price, estimate: nil, reason: reason,
      owner: nil)
  }
}
