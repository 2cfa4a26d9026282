import Foundation
import GRDB
import Tasks

// What is asked before money is put aside. The same question may have another answer a moment later.

extension Ledger {
  /// How large the download of a task is going to be, as far as that can be known.
  /// - Parameters:
  ///   - knownSize: the sum of the original sizes, where the cache's index has the complete listing.
  ///   - episodes: how many the task has, where its API said so.
  ///   - caps: for ``BudgetCaps/assumeUnknown``.
  public func estimate(
    for task: TaskPath, knownSize: ByteCount?, episodes: Int? = nil, caps: BudgetCaps?
  ) async throws(BudgetFailure) -> Estimate {
    let timeZone = timekeeper.timeZone
    return try await store.read { db in
      var knowledge = try LedgerQueries.sizeKnowledge(of: task, timeZone, in: db)
      knowledge.indexedSize = knownSize
      knowledge.episodes = episodes
      if let caps { knowledge.assumeUnknown = caps.assumeUnknown }
      return knowledge.estimate()
    }
  }

  /// What the caps say of a purchase, without reserving anything.
  public func quote(_ request: PurchaseRequest, caps: BudgetCaps?) async throws(BudgetFailure) -> Quote {
    let timekeeper = timekeeper
    let standing = try await store.read { db in
      let time = try LedgerQueries.time(timekeeper, in: db)
      return try LedgerQueries.standing(of: request.task, at: time, in: db)
    }
    return Quote(request, BudgetPolicy(caps: caps), standing)
  }

  /// What the caps say of several purchases in a row: each as if those before it that are allowed had been made.
  public func plan(_ requests: [PurchaseRequest], caps: BudgetCaps?) async throws(BudgetFailure) -> [Quote] {
    let timekeeper = timekeeper
    let policy = BudgetPolicy(caps: caps)
    return try await store.read { db in
      let time = try LedgerQueries.time(timekeeper, in: db)
      var (planned, plannedOfTask, usedApprovals) = (Dollars.zero, [TaskPath: Dollars](), Set<TaskPath>())
      return try requests.map { request in
        var standing = try LedgerQueries.standing(of: request.task, at: time, in: db)
        standing.add(planned)
        standing.task += plannedOfTask[request.task] ?? .zero
        if usedApprovals.contains(request.task) { standing.approval = nil }
        let quote = Quote(request, policy, standing)
        guard quote.isAllowed else { return quote }
        planned += quote.cost
        plannedOfTask[request.task] = (plannedOfTask[request.task] ?? .zero) + quote.cost
        if quote.usesApproval != nil { usedApprovals.insert(request.task) }
        return quote
      }
    }
  }

  /// The least that any cap leaves for a task; nothing where no cap is set. Never negative.
  ///
  /// For whoever can make do with less, as read-ahead can: nothing is reserved, so ``extend(_:by:caps:)`` has the last word.
  /// Free sources need not ask.
  /// - Parameter open: the open that would be extended, for `per_open`; nil for a new one.
  public func budgetLeft(
    for task: TaskPath, continuing open: Reservation? = nil, caps: BudgetCaps?
  ) async throws(BudgetFailure) -> Dollars {
    let timekeeper = timekeeper
    let policy = BudgetPolicy(caps: caps)
    return try await store.read { db in
      let time = try LedgerQueries.time(timekeeper, in: db)
      let standing = try LedgerQueries.standing(of: task, continuing: open?.open, at: time, in: db)
      return max(.zero, policy.tightest(standing)?.left ?? .zero)
    }
  }
}
