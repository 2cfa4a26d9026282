import Budget
import FileSystem
import Logging
import Tasks

/// The ledger's side of one download: opened before the request, followed while bytes come, closed in one of three ways.
///
/// An actor because the account is followed from the downloading thread; nobody else has it.
actor PurchaseAccount {
  /// An overrun is written ahead of the bytes in steps of this size, so that the ledger is never behind the provider's bill
  /// and yet is not written for every chunk. At $0.12 per GB a step is $0.002.
  private static let overrunStep = ByteCount(16_000_000)

  private let price: PricePerGigabyte
  private let ledger: Ledger
  private let arrears: LedgerArrears
  private let logger: Logger
  /// nil for a source that costs nothing.
  private let reservation: Reservation?
  /// How many bytes the ledger has been told of.
  private var covered: ByteCount
  private var seen = ByteCount.zero
  /// What was put aside later, for a package that has to come as a whole.
  private var further: Reservation?

  /// Reserves.
  /// - Throws: `.budgetExceeded`, or `.inputOutput` when the ledger can't be written: then nothing may be bought.
  static func opened(
    _ request: PurchaseRequest, ledger: Ledger, arrears: LedgerArrears, caps: BudgetCaps?, logger: Logger,
    metrics: Metrics
  ) async throws(FileSystemFailure) -> PurchaseAccount {
    guard !request.price.isFree else {
      return PurchaseAccount(request, ledger: ledger, arrears: arrears, reservation: nil, logger: logger)
    }
    do throws(BudgetFailure) {
      // The caps are checked against what earlier downloads have really cost.
      await arrears.settle()
      let reservation = try await ledger.reserve(request, caps: caps)
      return PurchaseAccount(request, ledger: ledger, arrears: arrears, reservation: reservation, logger: logger)
    } catch {
      metrics.count(.refusals)
      throw FileSystemFailure(error)
    }
  }

  private init(
    _ request: PurchaseRequest, ledger: Ledger, arrears: LedgerArrears, reservation: Reservation?, logger: Logger
  ) {
    price = request.price
    self.ledger = ledger
    self.arrears = arrears
    self.reservation = reservation
    self.logger = logger
    covered = request.expected.bytes
  }

  /// Follows the bytes; the stream is finished even if it is dearer than assumed, since it has been paid for.
  func observe(_ original: ByteCount) async {
    seen = original
    guard let reservation, original > covered else { return }
    covered = original + Self.overrunStep
    // The part beyond what was put aside first belongs to what was put aside last.
    let part = further == nil ? covered : covered - reservation.bytes
    do throws(BudgetFailure) {
      try await ledger.recordOverrun(
        further?.id ?? reservation.id, bytesSoFar: part, costSoFar: price.charge(for: part))
    } catch {
      logger.error("overrun not recorded", metadata: ["reason": "\(error)"])
    }
  }

  /// Puts aside what a package costs that can only be had as a whole, before it is taken: until then only a look at it is covered.
  /// - Throws: `.budgetExceeded`; then it may not be taken.
  func cover(_ total: ByteCount, caps: BudgetCaps?) async throws(FileSystemFailure) {
    guard let reservation, further == nil, total > covered else { return }
    let more = Estimate(bytes: total - covered, basis: .exact, evidence: "the size of the package")
    do throws(BudgetFailure) {
      further = try await ledger.extend(reservation, by: more, caps: caps)
      covered = total
    } catch {
      throw FileSystemFailure(error)
    }
  }

  func noteBytes(_ original: ByteCount) {
    seen = max(seen, original)
  }

  /// - Parameter requests: how many requests brought it; each may have been charged by itself, and rounded up.
  func settle(_ total: ByteCount, requests: Int = 1) async {
    guard let reservation else { return }
    let charge = price.charge(for: total) + Dollars(microDollars: total > .zero ? Int64(max(0, requests - 1)) : 0)
    guard let further else { return await settle(reservation, total, cost: charge) }
    let first = min(total, reservation.bytes)
    await settle(reservation, first, cost: price.charge(for: first))
    await settle(further, total - first, cost: charge - price.charge(for: first))
  }

  private func settle(_ reservation: Reservation, _ bytes: ByteCount, cost: Dollars) async {
    await write("settle") { [ledger] () async throws(BudgetFailure) in
      try await ledger.settle(reservation.id, bytes: bytes, cost: cost)
    }
  }

  func release(because reason: String) async {
    guard let reservation else { return }
    await write("release") { [ledger] () async throws(BudgetFailure) in
      try await ledger.release(reservation.id, reason: reason)
    }
  }

  func leaveUnsettled(because reason: String) async {
    guard let reservation else { return }
    let (bytes, cost) = (seen, price.charge(for: seen))
    await write("leave unsettled") { [ledger] () async throws(BudgetFailure) in
      try await ledger.leaveUnsettled(reservation.id, bytesSeen: bytes, costSeen: cost, reason: reason)
    }
  }

  /// A ledger that can't be written leaves the reservation counted as spent, and is told again later; the reader who waits for
  /// bytes that are already here gains nothing from an error.
  private func write(_ step: String, _ body: @escaping LedgerArrears.Entry) async {
    do throws(BudgetFailure) {
      try await body()
    } catch {
      logger.error("ledger not written", metadata: ["step": "\(step)", "reason": "\(error)"])
      await arrears.add(body)
    }
  }
}
