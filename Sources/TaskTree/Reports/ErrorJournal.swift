import FileSystem
import Foundation
import Logging
import Synchronization

/// The last failures: for `.tollfs/errors`, and for `user.tollfs.error` on each path.
///
/// Lock order: a leaf.
final class ErrorJournal: Sendable {
  struct Entry: Sendable {
    let time: Date
    let path: String
    let failure: FileSystemFailure
  }

  /// INTERFACE.md: the last 100 errors.
  private static let length = 100
  /// Paths whose last failure is remembered; beyond it the memory starts again, rather than grow with every path ever tried.
  private static let pathLimit = 2_000

  private struct Content {
    var entries: [Entry] = []
    var latest: [String: FileSystemFailure] = [:]
  }

  private let content = Mutex(Content())
  private let metrics: Metrics
  private let logger: Logger

  init(metrics: Metrics, logger: Logger) {
    self.metrics = metrics
    self.logger = logger
  }

  /// Notes a failure that has a reason; one without (a name that isn't there, an interrupt) says all in its errno.
  /// - Parameter others: paths on which the same failure is shown, so that whoever asks a directory why learns of its files.
  func note(_ failure: FileSystemFailure, at path: String, others: [String] = []) {
    guard !failure.reason.isEmpty, failure.kind != .interrupted else { return }
    metrics.count(.failures)
    content.withLock { content in
      if content.entries.count >= Self.length { content.entries.removeFirst() }
      content.entries.append(Entry(time: Date(), path: path, failure: failure))
      if content.latest.count >= Self.pathLimit { content.latest.removeAll() }
      for path in others + [path] { content.latest[path] = failure }
    }
    logger.warning(
      "failed",
      metadata: ["path": "\(path)", "errno": "\(failure.errnoName)", "reason": "\(failure.reason)"])
  }

  /// The last failure on a path.
  func latest(at path: String) -> FileSystemFailure? {
    content.withLock { $0.latest[path] }
  }

  /// What `.tollfs/errors` says: oldest first, one line each.
  func render() -> String {
    content.withLock { $0.entries }
      .map { "\(UTCTime.text($0.time)) \($0.failure.errnoName) \($0.path.oneLine): \($0.failure.reason.oneLine)\n" }
      .joined()
  }
}
