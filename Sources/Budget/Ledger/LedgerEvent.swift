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
  public internal(set) var id: Int64
  /// The moment that windows are reckoned by; never earlier than that of the event before it. Whole milliseconds.
  public let time: Date
  public let kind: Kind
  /// The purchase it belongs to; nil for ``Kind/approved``.
  public let purchase: Int64?
  public let task: TaskPath
  /// Reserved, original or seen so far, by ``kind``.
  public let bytes: ByteCount
  /// Put aside, charged, seen so far or approved, by ``kind``.
  public let amount: Dollars
  /// Who asked for the purchase, gave the approval, or corrected an entry by hand.
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
  /// What the machine's clock said, which may not be ``time`` (see `LedgerTime`); nil in events of the first version.
  public internal(set) var clock: Date?
  /// How many episodes the task had, of a reservation whose API said so.
  public internal(set) var episodes: Int?
  /// The first purchase of the same open, for a further reservation of it.
  public internal(set) var continues: Int64?
  /// Whether ``bytes`` are, or will be, the size of all the task's results.
  public internal(set) var isWhole = true
}

extension LedgerEvent {
  /// What an event about an existing purchase looks like.
  init(
    _ kind: Kind, of purchase: Purchase, at time: LedgerTime, bytes: ByteCount, amount: Dollars, reason: String = "",
    by requester: Requester? = nil
  ) {
    self.init(
      id: 0, time: time.now, kind: kind, purchase: purchase.id, task: purchase.task, bytes: bytes, amount: amount,
      requester: requester ?? purchase.requester, path: purchase.path, price: purchase.price, estimate: nil,
      reason: reason, owner: nil, clock: time.machine)
  }

  /// The beginning of a purchase.
  init(
    reserving id: Int64, for request: PurchaseRequest, at time: LedgerTime, owner: ProcessIdentity, continues: Int64?
  ) {
    self.init(
      id: 0, time: time.now, kind: .reserved, purchase: id, task: request.task, bytes: request.expected.bytes,
      amount: request.cost, requester: request.requester, path: request.path, price: request.price,
      estimate: request.expected, reason: "", owner: owner, clock: time.machine, episodes: request.episodes,
      continues: continues, isWhole: request.isWhole && continues == nil)
  }
}
