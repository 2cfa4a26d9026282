import Budget
import FileSystem
import Logging
import Tasks

/// The ledger's side of ranges that are read from one member while it is open: reserved before requests leave, settled to
/// the bytes that moved when the last reader has closed it.
///
/// What an open asks for is the compressed size of the member. A request that would go beyond it (bytes that were evicted
/// meanwhile and are fetched again) needs a further reservation, under the caps, before it leaves.
actor RangeAccount {
  /// Of what the caps leave, this part may be on its way without having been asked for: so read-ahead ends as a cap comes near.
  private static let shareForReadAhead: Int64 = 16

  private let request: PurchaseRequest
  private let ledger: Ledger
  private let arrears: LedgerArrears
  private let caps: @Sendable () -> BudgetCaps?
  private let logger: Logger
  private let metrics: Metrics
  private var reservations: [Reservation] = []
  /// Bytes that were reserved, that were asked for, that came.
  private var reserved = ByteCount.zero
  private var promised = ByteCount.zero
  private var moved = ByteCount.zero
  /// Of the bytes that came, each request rounded up by itself.
  private var cost = Dollars.zero
  /// Requests that are under way.
  private var active = 0
  /// Whether nobody reads any more: the account is closed once nothing is under way.
  private var isClosing = false

  /// - Parameter request: what the open may move at most, exactly.
  init(
    _ request: PurchaseRequest, ledger: Ledger, arrears: LedgerArrears, caps: @escaping @Sendable () -> BudgetCaps?,
    metrics: Metrics, logger: Logger
  ) {
    self.request = request
    self.ledger = ledger
    self.arrears = arrears
    self.caps = caps
    self.metrics = metrics
    self.logger = logger
  }

  nonisolated var isFree: Bool { request.price.isFree }

  /// Puts aside what the open asks for.
  /// - Throws: `.budgetExceeded`; then nothing may be requested.
  func open() async throws(FileSystemFailure) {
    isClosing = false
    guard !isFree, reservations.isEmpty else { return }
    try await reserve(request.expected.bytes)
  }

  /// To be called before a request for so many bytes leaves; each is followed by one ``note(_:)``.
  /// - Throws: `.budgetExceeded`.
  func cover(_ bytes: ByteCount) async throws(FileSystemFailure) {
    guard !isFree else { return }
    active += 1
    promised += bytes
    let missing = promised - reserved
    guard missing > .zero else { return }
    do throws(FileSystemFailure) {
      try await reserve(missing)
    } catch {
      promised = promised - bytes
      await ended()
      throw error
    }
  }

  /// A request has ended, after so many bytes.
  func note(_ bytes: ByteCount) async {
    guard !isFree else { return }
    moved += bytes
    cost += request.price.charge(for: bytes)
    await ended()
  }

  private func ended() async {
    active -= 1
    if active == 0, isClosing { await settle() }
  }

  /// Nobody reads any more: closes the account as soon as nothing is under way.
  func close() async {
    isClosing = true
    if active == 0 { await settle() }
  }

  /// The program ends: waits, but not for long, until nothing is under way, and closes the account.
  func end() async {
    isClosing = true
    let limit = ContinuousClock.now + Self.patience
    while active > 0, ContinuousClock.now < limit { try? await Task.sleep(for: .milliseconds(20)) }
    await settle()
  }

  /// A request that was cut off has ended within milliseconds; one that waits for a store that says nothing is not waited for.
  private static let patience = Duration.seconds(3)

  /// How many bytes may be fetched ahead of a reader; nil for any number.
  func readAheadLimit() async -> UInt64? {
    guard !isFree else { return nil }
    guard let left = try? await ledger.budgetLeft(for: request.task, continuing: reservations.first, caps: caps())
    else { return nil }
    let share = max(0, left.microDollars / Self.shareForReadAhead)
    let price = max(1, request.price.dollars.microDollars)
    let (bytes, overflow) = share.multipliedReportingOverflow(by: 1_000_000_000)
    return UInt64((overflow ? .max : bytes) / price)
  }

  /// What moved is what was charged.
  func settle() async {
    var (bytesLeft, costLeft) = (moved, cost)
    let open = reservations
    reservations = []
    (reserved, promised, moved, cost) = (.zero, .zero, .zero, .zero)
    for (index, reservation) in open.enumerated() {
      let isLast = index == open.count - 1
      let (bytes, charge) =
        isLast ? (bytesLeft, costLeft) : (min(bytesLeft, reservation.bytes), min(costLeft, reservation.cost))
      (bytesLeft, costLeft) = (bytesLeft - bytes, costLeft - charge)
      let ledger = ledger
      await write { () async throws(BudgetFailure) in
        if bytes == .zero {
          try await ledger.release(reservation.id, reason: "nothing was fetched")
        } else {
          try await ledger.settle(reservation.id, bytes: bytes, cost: charge)
        }
      }
    }
  }

  private func reserve(_ bytes: ByteCount) async throws(FileSystemFailure) {
    let estimate = Estimate(bytes: bytes, basis: .exact, evidence: request.expected.evidence)
    reserved += bytes
    do throws(BudgetFailure) {
      // The caps are checked against what earlier downloads have really cost.
      await arrears.settle()
      if let first = reservations.first {
        reservations.append(try await ledger.extend(first, by: estimate, caps: caps()))
      } else {
        reservations.append(try await ledger.reserve(request.expecting(estimate), caps: caps()))
      }
    } catch {
      reserved = reserved - bytes
      metrics.count(.refusals)
      throw FileSystemFailure(error)
    }
  }

  private func write(_ body: @escaping LedgerArrears.Entry) async {
    do throws(BudgetFailure) {
      try await body()
    } catch {
      logger.error("ledger not written", metadata: ["step": "settle", "reason": "\(error)"])
      await arrears.add(body)
    }
  }
}

extension PurchaseRequest {
  /// The same for another number of bytes.
  fileprivate func expecting(_ estimate: Estimate) -> PurchaseRequest {
    PurchaseRequest(
      task: task, path: path, price: price, requester: requester, expected: estimate, isWhole: isWhole)
  }
}
