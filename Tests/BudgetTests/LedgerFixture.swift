import Foundation
import Synchronization
import Tasks
import TestSupport
import Testing

@testable import Budget

/// A clock that a test sets.
final class HandClock: BudgetClock {
  private let moment: Mutex<Date>

  init(_ text: String = "2026-03-14T12:00:00Z") {
    moment = Mutex(date(text))
  }

  func now() -> Date { moment.withLock { $0 } }
  func set(_ date: Date) { moment.withLock { $0 = date } }
  func advance(by seconds: Double) { moment.withLock { $0 += seconds } }
}

func date(_ text: String) -> Date {
  guard let date = try? Date(text, strategy: .iso8601) else { preconditionFailure("not a date: \(text)") }
  return date
}

func zone(_ name: String) -> TimeZone {
  guard let zone = TimeZone(identifier: name) else { preconditionFailure("no such time zone: \(name)") }
  return zone
}

func dollars(_ text: String) -> Dollars {
  guard let amount = Dollars(decimal: text) else { preconditionFailure("not an amount: \(text)") }
  return amount
}

func task(_ name: String) -> TaskPath {
  guard let path = TaskPath(parsing: name.contains("/") ? name : "screenplay/" + name) else {
    preconditionFailure("not a task: \(name)")
  }
  return path
}

let reader = Requester(userID: 1000, processID: 4242, command: "cat")

/// At one dollar per GB a byte costs a thousandth of a micro-dollar: so many micro-dollars are a thousand times as many bytes.
let oneDollarPerGB = PricePerGigabyte(dollars("1"))

/// A request that costs exactly so many micro-dollars.
func request(_ name: String, microDollars: Int64, episodes: Int? = nil) -> PurchaseRequest {
  PurchaseRequest(
    task: task(name), path: "\(task(name))/results", price: oneDollarPerGB, requester: reader,
    expected: Estimate(bytes: ByteCount(microDollars * 1_000), basis: .assumed, evidence: "assume_unknown"),
    episodes: episodes)
}

extension Dollars {
  static func micro(_ microDollars: Int64) -> Dollars { Dollars(microDollars: microDollars) }
}

/// The refusal of an attempt, or nil when it went through.
func refusal(_ body: () async throws -> Void) async throws -> Refusal? {
  do {
    try await body()
    return nil
  } catch BudgetFailure.refused(let refusal) {
    return refusal
  }
}

/// The reason for which the ledger could not be used, or nil when it could.
func ledgerFault(_ body: () async throws -> Void) async throws -> String? {
  do {
    try await body()
    return nil
  } catch BudgetFailure.ledger(let reason) {
    return reason
  }
}
