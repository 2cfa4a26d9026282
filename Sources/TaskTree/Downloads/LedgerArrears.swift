import Budget
import Logging

/// What downloads that have ended cost, where the ledger could not be told because its disk was full or gone for a while.
///
/// Until it is told, a purchase that turned out dearer than its reservation counts too little. So it is told again every few
/// seconds, before anything else is bought, and when the mount ends.
actor LedgerArrears {
  typealias Entry = @Sendable () async throws(BudgetFailure) -> Void

  /// A user who has made space looks at the budget soon afterwards.
  private static let pause: Duration = .seconds(2)
  /// Nothing is bought while the ledger can't be written, so there are as many as there were downloads at that moment.
  private static let limit = 1_000

  private let logger: Logger
  private var entries: [Int: Entry] = [:]
  private var lastNumber = 0
  private var repeater: Task<Void, Never>?

  init(logger: Logger) {
    self.logger = logger
  }

  /// Takes an entry that the ledger has refused. It must be one that may be written twice.
  func add(_ entry: @escaping Entry) {
    guard entries.count < Self.limit else { return }
    lastNumber += 1
    entries[lastNumber] = entry
    guard repeater == nil else { return }
    repeater = Task { [weak self] in
      while !Task.isCancelled {
        try? await Task.sleep(for: Self.pause)
        guard let self, await self.settle() > 0 else { return }
      }
    }
  }

  /// Tells the ledger what it has not been told, as far as it can be written.
  /// - Returns: how many entries are left.
  @discardableResult
  func settle() async -> Int {
    for (number, entry) in entries.sorted(by: { $0.key < $1.key }) {
      do throws(BudgetFailure) {
        try await entry()
      } catch {
        continue
      }
      if entries.removeValue(forKey: number) != nil { logger.notice("the ledger has been told after all") }
    }
    if entries.isEmpty {
      repeater?.cancel()
      repeater = nil
    }
    return entries.count
  }
}
