import Synchronization
import Tasks

/// Complete listings that were read lately, so that a walk through a large task reads its index once.
///
/// Only complete listings are kept: they change only by eviction and repair, and whoever opens a file finds out.
/// Lock order: a leaf.
final class ResultShelf: Sendable {
  /// About 300 bytes a file: some 12 MB at most.
  private static let fileLimit = 40_000

  private struct Content {
    var results: [TaskPath: StoredResults] = [:]
    var files = 0
  }

  private let content = Mutex(Content())

  func results(of task: TaskPath) -> StoredResults? {
    content.withLock { $0.results[task] }
  }

  func keep(_ stored: StoredResults, of task: TaskPath) {
    guard stored.stock == .everything, stored.index.fileCount <= Self.fileLimit else { return }
    content.withLock { content in
      if content.files + stored.index.fileCount > Self.fileLimit {
        content.results.removeAll()
        content.files = 0
      }
      if let old = content.results.updateValue(stored, forKey: task) { content.files -= old.index.fileCount }
      content.files += stored.index.fileCount
    }
  }

  func drop(_ task: TaskPath) {
    content.withLock { content in
      if let old = content.results.removeValue(forKey: task) { content.files -= old.index.fileCount }
    }
  }
}
