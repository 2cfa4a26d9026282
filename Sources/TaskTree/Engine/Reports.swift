import Foundation
import Tasks

/// A task's status, as a command shows it.
public struct StatusReport: Sendable {
  public let task: TaskPath
  let known: KnownStatus

  public var status: TaskStatus { known.status }
  /// When the API last answered.
  public var asOf: Date { known.asked }
  /// Whether this is a final status from an earlier answer, because the API can't be reached now.
  public var isStale: Bool { known.staleReason != nil }
  /// What the file `status` says.
  public var text: String { StatusText.render(known, of: task) }
}

/// What a fetch brought.
public struct FetchReport: Hashable, Sendable {
  public let task: TaskPath
  public let files: Int
  public let bytes: ByteCount
  /// Nothing had to be fetched.
  public let wasCached: Bool

  init(task: TaskPath, stored: StoredResults, wasCached: Bool) {
    self.task = task
    files = stored.index.fileCount
    bytes = stored.listing.totalSize
    self.wasCached = wasCached
  }
}

/// What an eviction did.
public struct EvictionReport: Hashable, Sendable {
  public let task: TaskPath
  /// Bytes that left the cache; the disk has them back once nobody reads them any more.
  public let freed: ByteCount
  /// What opening the task's results costs from now on.
  public let again: CostReport
}
