import Budget
import FileSystem
import Foundation
import Tasks

// What the files say that the mount makes itself.

extension TaskTreeFileSystem {
  /// Made anew at every open.
  func liveContent(of file: TaskFile, _ task: TaskPath, requester: Requester) async throws(FileSystemFailure) -> [UInt8]
  {
    switch file {
    case .status:
      return Array(StatusText.render(try await liveStatus(task), of: task).utf8)
    case .statusJSON:
      return try await liveStatus(task).status.raw
    case .cost:
      return try await costText(task, requester: requester)
    }
  }

  private func liveStatus(_ task: TaskPath) async throws(FileSystemFailure) -> KnownStatus {
    try await engine.statuses.live(task, from: try engine.configured(for: task).source)
  }

  func costText(_ task: TaskPath, requester: Requester?) async throws(FileSystemFailure) -> [UInt8] {
    let asker = requester ?? Requester(userID: 0, processID: 0, command: "")
    return Array(try await engine.cost(of: task, requester: asker).text.utf8)
  }

  func content(of file: ControlFile) async throws(FileSystemFailure) -> [UInt8] {
    do throws(BudgetFailure) {
      switch file {
      case .budget:
        return Array(LedgerText.budget(try await engine.ledger.summary(caps: engine.budgetCaps)).utf8)
      case .ledger:
        return try await engine.ledger.ledgerCSV()
      case .errors:
        return Array(engine.journal.render().utf8)
      case .metrics:
        return Array(try await metricsText().utf8)
      }
    } catch {
      throw FileSystemFailure(error)
    }
  }

  private func metricsText() async throws(BudgetFailure) -> String {
    let usage = engine.cache.usage()
    let summary = try await engine.ledger.summary(caps: engine.budgetCaps)
    let spent = summary.windows.first { $0.cap == .total }.map { $0.spent + $0.reserved } ?? .zero
    return engine.metrics.render(gauges: [
      Metrics.Gauge(name: "tollfs_cache_bytes", help: "Bytes in the cache.", value: "\(usage.bytes)"),
      Metrics.Gauge(name: "tollfs_cache_objects", help: "Files in the cache.", value: "\(usage.objects)"),
      Metrics.Gauge(name: "tollfs_inodes", help: "Inodes that the kernel knows.", value: "\(nodes.count)"),
      Metrics.Gauge(
        name: "tollfs_spent_dollars", help: "All that the ledger counts as spent, reserved or unsettled.",
        value: "\(spent)"),
    ])
  }
}

/// `README.txt` in the root of the mount.
enum Readme {
  static let text = """
    These are the results of paid tasks, mounted by tollfs. Everything here is read-only.

      SOURCE/TASK/status       the task's status, asked from the API whenever the file is opened
      SOURCE/TASK/status.json  the API's own answer
      SOURCE/TASK/cost         what opening the results would cost, and whether the budget allows it
      SOURCE/TASK/results/     the task's files, once it has completed
    Where a source has workflows and jobs, a task is SOURCE/WORKFLOW/JOB/TASK; by-name/ leads there by name.

    The first access to what is in results/ (listing it, or naming a file in it) downloads the task's
    results, which may cost money; of a package only what is read. Later reads come from a cache here.
    What a cap of the budget does not allow fails with "Disk quota exceeded", before it costs anything.

    A task that is not listed yet appears when its path is named:  cat SOURCE/TASK/status

      .tollfs/budget           the caps, and what is left of them
      .tollfs/ledger.csv       every purchase
      .tollfs/errors           the last errors with their reasons
      .tollfs/metrics          counters for Prometheus

    Why did that fail?   getfattr -n user.tollfs.error PATH   or   cat .tollfs/errors
    Also: tollfs cost PATH, tollfs budget, tollfs ledger, tollfs --help

    """
}
