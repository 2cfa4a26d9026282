import Foundation
import GRDB
import Logging
import Tasks

/// The one truth about money: what has been reserved, charged and let through, in `ledger.sqlite` of the state directory.
///
/// Any number of processes may have the same ledger open. A check against the caps and the reservation that it allows are one
/// transaction, so two of them can't both take the last dollar; a call returns when what it wrote is on the disk.
/// Nothing here is cancelled with the task that calls it.
public final class Ledger: Sendable {
  let store: LedgerStore
  let timekeeper: Timekeeper
  let logger: Logger
  let owner: ProcessIdentity
  private let isGone: @Sendable (ProcessIdentity, ProcessIdentity) -> Bool

  /// Opens the ledger, and makes it where there is none: the directory with mode 0700, the file with 0600. Reservations of
  /// processes that have ended become unsettled.
  /// - Parameters:
  ///   - clock: tells the time of every event.
  ///   - vouchedTime: the present moment by what an API has said last in this process (its answer's `Date`, carried on by a clock
  ///     that can't be set); nil while none was heard. Asked at every event, so it must be quick. The machine's clock alone begins
  ///     no later day or month than that of the last event.
  ///   - timeZone: where a day and a month begin.
  /// - Throws: ``BudgetFailure/ledger(reason:)`` when it can't be read or written, is damaged, or is of a newer version.
  public convenience init(
    stateDirectory: String, clock: any BudgetClock = SystemClock(),
    vouchedTime: @escaping @Sendable () -> Date? = { nil }, timeZone: TimeZone = .current,
    logger: Logger = Logger(label: "tollfs.ledger")
  ) async throws(BudgetFailure) {
    try await self.init(
      stateDirectory: stateDirectory,
      timekeeper: Timekeeper(clock: clock, vouchedTime: vouchedTime, timeZone: timeZone), logger: logger, owner: nil,
      isGone: { $0.isGone(seenFrom: $1) })
  }

  /// - Parameters:
  ///   - owner: whose reservations these are; nil for this process.
  ///   - isGone: whether the first process has ended, as the second sees it.
  init(
    stateDirectory: String, timekeeper: Timekeeper, logger: Logger, owner: ProcessIdentity?,
    isGone: @escaping @Sendable (ProcessIdentity, ProcessIdentity) -> Bool
  ) async throws(BudgetFailure) {
    self.timekeeper = timekeeper
    self.logger = logger
    self.isGone = isGone
    // Opening blocks, for seconds when another process is slow: not on the cooperative pool.
    let opened: Result<(LedgerStore, ProcessIdentity), BudgetFailure> = await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        let result = Result { (try LedgerStore.open(stateDirectory: stateDirectory), owner ?? .current()) }
        continuation.resume(
          returning: result.mapError { LedgerFault.failure($0, path: stateDirectory + "/ledger.sqlite") })
      }
    }
    (store, self.owner) = try opened.get()
    try await markOrphans()
  }

  /// Lets go of the file when all calls before this one are done; every later call fails. Not needed for safety: what was
  /// written is on the disk already.
  public func close() async throws(BudgetFailure) {
    try await store.close()
  }

  /// Whether a new day has begun by the machine's clock that no API has confirmed: then any answer of an API that carries a
  /// `Date` may open a window that would else stay shut.
  public func wantsVouchedTime() async throws(BudgetFailure) -> Bool {
    let timekeeper = timekeeper
    return try await store.read { db in try LedgerQueries.time(timekeeper, in: db).doubt != nil }
  }

  /// Makes every reservation whose process has ended unsettled. It counts as before: a crash may have come after the charge.
  func markOrphans() async throws(BudgetFailure) {
    let (timekeeper, owner, isGone) = (timekeeper, owner, isGone)
    // Looked at before the transaction that writes: nobody is kept waiting by /proc, and a process that has ended never
    // comes back.
    let orphans = try await store.read { db in
      let open = try LedgerQueries.openPurchases(in: db)
      return Set(open.filter { $0.owner != owner && isGone($0.owner, owner) }.map(\.id))
    }
    guard !orphans.isEmpty else { return }
    try await store.write { db in
      let time = try LedgerQueries.time(timekeeper, in: db)
      for purchase in try LedgerQueries.openPurchases(in: db) where orphans.contains(purchase.id) {
        let reason = "process \(purchase.owner.processID), which made the purchase, ended without settling it"
        let event = LedgerEvent(
          .unsettled, of: purchase, at: time, bytes: purchase.seen, amount: purchase.charge, reason: reason)
        try event.append(to: db)
      }
    }
    logger.notice("reservations of ended processes left unsettled", metadata: ["count": "\(orphans.count)"])
  }
}
