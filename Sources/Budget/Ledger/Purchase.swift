import Foundation
import Tasks

/// One purchase with its present state, as it follows from its events.
public struct Purchase: Sendable, Hashable {
  public enum State: String, Sendable, Hashable, CaseIterable {
    /// Money is put aside, the download is on its way.
    case reserved
    /// Finished; the cost is real.
    case settled
    /// Nothing was charged.
    case released
    /// Nobody knows what was charged: it counts as spent.
    case unsettled
  }

  /// Numbers start at 1 and go up by 1.
  public let id: Int64
  /// When it was reserved: the moment that decides which day and month it counts in.
  public let time: Date
  public let task: TaskPath
  /// What was opened.
  public let path: String
  /// Who asked.
  public let requester: Requester
  public let price: PricePerGigabyte
  /// The size that it was reserved with.
  public let estimate: Estimate
  /// What was put aside.
  public let reserved: Dollars
  public internal(set) var state: State
  /// When its state last changed.
  public internal(set) var changed: Date
  /// The size as far as it is known: expected, seen or real.
  public internal(set) var bytes: ByteCount
  /// What counts against the caps.
  public internal(set) var charge: Dollars
  /// The most bytes that the download itself has shown.
  public internal(set) var seen: ByteCount
  /// Why it is released or unsettled, or who settled it by hand; empty otherwise.
  public internal(set) var reason: String
  /// The approval that it used up.
  public internal(set) var approval: Dollars?
  let owner: ProcessIdentity
  /// How many episodes the task had, where its API said so.
  public let episodes: Int?
  /// The first purchase of the same open, when this one is a further reservation for it. They count together against `per_open`.
  public let continues: Int64?
  /// Whether ``bytes`` are, or will be, the size of all the task's results: estimates learn from nothing else.
  public internal(set) var isWhole: Bool

  /// Whether it turned out dearer than what was put aside.
  public var isOverrun: Bool { charge > reserved }
}

/// An event that can't follow on what the ledger says.
struct ImpossibleEvent: Error {
  let reason: String
}

extension Purchase {
  /// - Throws: ``ImpossibleEvent`` when the event does not begin a purchase.
  init(_ event: LedgerEvent) throws(ImpossibleEvent) {
    guard event.kind == .reserved, let id = event.purchase, let estimate = event.estimate, let owner = event.owner
    else {
      throw ImpossibleEvent(reason: "event \(event.id) (\(event.kind.rawValue)) begins no purchase")
    }
    self.init(
      id: id, time: event.time, task: event.task, path: event.path, requester: event.requester, price: event.price,
      estimate: estimate, reserved: event.amount, state: .reserved, changed: event.time, bytes: event.bytes,
      charge: event.amount, seen: .zero, reason: "", approval: nil, owner: owner, episodes: event.episodes,
      continues: event.continues, isWhole: event.isWhole)
  }

  /// Follows one event of this purchase.
  ///
  /// An unsettled purchase can still be settled or released: whoever was taken for dead may live, and a person may know
  /// better from the provider's invoice. What is settled or released stays so.
  /// - Throws: ``ImpossibleEvent``; the purchase is then as it was.
  mutating func apply(_ event: LedgerEvent) throws(ImpossibleEvent) {
    guard event.purchase == id, event.task == task, state == .reserved || state == .unsettled else {
      throw ImpossibleEvent(reason: "purchase \(id) is \(state.rawValue) and can't become \(event.kind.rawValue)")
    }
    switch event.kind {
    case .settled:
      (state, bytes, charge, reason) = (.settled, event.bytes, event.amount, event.reason)
      isWhole = isWhole && event.isWhole
      seen = max(seen, event.bytes)
    case .released:
      (state, bytes, charge, reason) = (.released, .zero, .zero, event.reason)
    case .unsettled:
      note(event)
      (state, reason) = (.unsettled, event.reason)
    case .overrun:
      note(event)
    case .approvalUsed:
      approval = event.amount
    case .reserved, .approved:
      throw ImpossibleEvent(reason: "event \(event.id) (\(event.kind.rawValue)) can't follow on purchase \(id)")
    }
    changed = event.time
  }

  /// What was seen only ever raises what counts.
  private mutating func note(_ event: LedgerEvent) {
    seen = max(seen, event.bytes)
    bytes = max(bytes, event.bytes)
    charge = max(charge, event.amount)
  }
}
