import Budget
import Foundation
import Logging
import Tasks
import TestSupport

// A process that buys things, to be killed at any moment: `LedgerHelper DIRECTORY SEED`, or `LedgerHelper DIRECTORY` to only open the
// ledger and mend what a killed process has left. Says what it is about to do and what is done, one line each, unbuffered: what is said to
// be done must be in the ledger whatever happens next.

func say(_ line: String) {
  let bytes = Array((line + "\n").utf8)
  var written = 0
  while written < bytes.count {
    let count = bytes[written...].withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    if count < 0 { exit(2) }
    written += count
  }
}

struct Shopper {
  private var generator: SeededGenerator
  private var ledger: Ledger
  private let directory: String
  /// What is reserved and not finished.
  private var open: [Reservation] = []
  private static let price = PricePerGigabyte(Dollars(microDollars: 1_000_000))
  private static let quiet = Logger(label: "helper") { _ in SwiftLogNoOpLogHandler() }
  private let me = Requester(userID: 1, processID: getpid(), command: "helper")
  /// Room for some of what is wanted, so that the last dollar is fought for.
  private let caps = BudgetCaps(total: Dollars(microDollars: 600), perTask: Dollars(microDollars: 250))

  static func openLedger(_ directory: String) async throws -> Ledger {
    try await Ledger(stateDirectory: directory, vouchedTime: { Date() }, logger: quiet)
  }

  init(_ directory: String, seed: UInt64) async throws {
    generator = SeededGenerator(seed: seed)
    self.directory = directory
    ledger = try await Self.openLedger(directory)
  }

  private mutating func number(_ range: ClosedRange<Int64>) -> Int64 { .random(in: range, using: &generator) }

  private func size(_ microDollars: Int64) -> Estimate {
    Estimate(bytes: ByteCount(microDollars * 1_000), basis: .assumed, evidence: "assume_unknown")
  }

  mutating func shop() async throws {
    for step in 1...16 {
      do throws(BudgetFailure) {
        try await buy(step)
      } catch {
        if case .refused = error { say("refused") } else { say("failed \(error)") }
      }
      // Closing writes the log back into the ledger's file and removes it.
      guard step == 11 else { continue }
      try? await ledger.close()
      ledger = try await Self.openLedger(directory)
    }
    try await ledger.close()
    say("done")
  }

  private mutating func buy(_ step: Int) async throws(BudgetFailure) {
    let kind = number(1...10)
    guard let task = TaskPath(parsing: "s/\(number(1...4))") else { return }
    if kind == 1 {
      let amount = number(1...200)
      say("approving \(task) \(amount)")
      try await ledger.approve(task, upTo: Dollars(microDollars: amount), by: me)
      return say("approved \(task) \(amount)")
    }
    guard kind > 4, let index = open.indices.randomElement(using: &generator) else { return try await reserve(task) }
    try await follow(index, kind)
  }

  private mutating func reserve(_ task: TaskPath) async throws(BudgetFailure) {
    let cost = number(1...120)
    say("reserving \(task) \(cost)")
    let reservation: Reservation
    if let last = open.last, number(1...4) == 1 {
      reservation = try await ledger.extend(last, by: size(cost), caps: caps)
    } else {
      let request = PurchaseRequest(
        task: task, path: "\(task)/results", price: Self.price, requester: me, expected: size(cost), episodes: 3)
      reservation = try await ledger.reserve(request, caps: caps)
    }
    open.append(reservation)
    say("reserved \(reservation.id) \(cost)")
  }

  private mutating func follow(_ index: Int, _ kind: Int64) async throws(BudgetFailure) {
    let (id, cost) = (open[index].id, number(0...200))
    let (bytes, dollars) = (ByteCount(cost * 1_000), Dollars(microDollars: cost))
    switch kind {
    case 5...7:
      say("settling \(id) \(cost)")
      try await ledger.settle(id, bytes: bytes, cost: dollars)
      open.remove(at: index)
      say("settled \(id) \(cost)")
    case 8:
      say("releasing \(id)")
      try await ledger.release(id, reason: "the API said no")
      open.remove(at: index)
      say("released \(id)")
    case 9:
      say("seeing \(id) \(cost)")
      try await ledger.leaveUnsettled(id, bytesSeen: bytes, costSeen: dollars, reason: "broken off")
      say("seen \(id) \(cost)")
    default:
      say("seeing \(id) \(cost)")
      try await ledger.recordOverrun(id, bytesSoFar: bytes, costSoFar: dollars)
      say("seen \(id) \(cost)")
    }
  }
}

let arguments = CommandLine.arguments
guard arguments.count > 1 else {
  say("usage: LedgerHelper DIRECTORY [SEED]")
  exit(64)
}
do {
  if arguments.count > 2, let seed = UInt64(arguments[2]) {
    var shopper = try await Shopper(arguments[1], seed: seed)
    try await shopper.shop()
  } else {
    let ledger = try await Shopper.openLedger(arguments[1])
    _ = try await ledger.purchases()
    try await ledger.close()
    say("done")
  }
} catch {
  say("failed \(error)")
  exit(1)
}
