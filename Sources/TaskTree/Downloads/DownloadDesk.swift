import Budget
import FileSystem
import Logging
import Synchronization
import Tasks

/// Sees to it that a task is downloaded once, however many open it at the same moment.
///
/// Lock order: a leaf; never held across an await.
final class DownloadDesk: Sendable {
  private struct Running {
    let download: Download
    let task: Task<Void, Never>
  }

  private struct Content {
    var running: [TaskPath: Running] = [:]
    var isClosed = false
  }

  private let content = Mutex(Content())
  private let tools: DownloadTools

  private var arrears: LedgerArrears { tools.arrears }
  private var logger: Logger { tools.logger }

  init(_ tools: DownloadTools) {
    self.tools = tools
  }

  func running(_ task: TaskPath) -> Download? {
    content.withLock { $0.running[task]?.download }
  }

  /// The running download of the order's task, started if there is none.
  /// - Parameter caps: those in force when the price is reserved.
  func download(_ order: DownloadOrder, caps: @escaping @Sendable () -> BudgetCaps?) throws(FileSystemFailure)
    -> Download
  {
    if let running = running(order.task) { return running }
    let executor = try BlockingExecutor.forDownload()
    let download: Download? = content.withLock { content in
      if let running = content.running[order.task] { return running.download }
      if content.isClosed { return nil }
      let download = Download(order.task)
      let run = DownloadRun(order: order, download: download, tools: tools, caps: caps)
      let task = Task(executorPreference: executor) {
        await run.perform()
        self.content.withLock { $0.running[order.task] = nil }
      }
      content.running[order.task] = Running(download: download, task: task)
      return download
    }
    guard let download else { throw FileSystemFailure(.inputOutput, "no more downloads begin: this program is ending") }
    return download
  }

  /// Takes no more orders, lets running downloads end for so long (they have been paid for), then breaks them off, which
  /// keeps every file that arrived whole.
  func close(waiting grace: Duration) async {
    let tasks = content.withLock { content in
      content.isClosed = true
      return content.running.values.map(\.task)
    }
    guard !tasks.isEmpty else {
      await arrears.settle()
      return
    }
    logger.notice("waiting for downloads that are paid for", metadata: ["count": "\(tasks.count)"])
    let breaker = Task {
      try await Task.sleep(for: grace)
      for task in tasks { task.cancel() }
    }
    for task in tasks { await task.value }
    breaker.cancel()
    await arrears.settle()
  }

  /// Breaks off what is still running, now, and takes no more orders: whoever asked for the end wants nothing more bought.
  func cancelAll() {
    let running = content.withLock { content in
      content.isClosed = true
      return Array(content.running.values)
    }
    for download in running { download.task.cancel() }
  }
}
