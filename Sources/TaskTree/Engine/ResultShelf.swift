import ResultCache
import Synchronization
import Tasks

/// Listings that were read lately, so that a walk through a large task reads its index once.
///
/// They change by downloads, eviction, repair and found damage, in this process or another; whoever opens a file finds out,
/// and whoever only looks finds out within ``trustedFor``.
/// Lock order: a leaf.
final class ResultShelf: Sendable {
  /// About 300 bytes a file: some 12 MB, or one listing that is larger by itself.
  private static let fileLimit = 40_000
  /// How long a listing is served without asking the index whether it still holds. Asking costs about as much as opening
  /// a file: too much for each name of a walk, and nothing once a second.
  private static let trustedFor = Duration.seconds(1)

  struct Kept: Sendable {
    let stored: StoredResults
    /// Read before the listing.
    let version: ListingVersion
    fileprivate(set) var checked = ContinuousClock.now

    /// What is not complete is asked about every time: whoever has just fetched the rest must not see it missing.
    var isTrusted: Bool { stored.stock == .everything && ContinuousClock.now - checked < ResultShelf.trustedFor }
  }

  private struct Content {
    var results: [TaskPath: Kept] = [:]
    var files = 0
  }

  private let content = Mutex(Content())

  func results(of task: TaskPath) -> Kept? {
    content.withLock { $0.results[task] }
  }

  func keep(_ stored: StoredResults, _ version: ListingVersion, of task: TaskPath) {
    content.withLock { content in
      if content.files + stored.index.fileCount > Self.fileLimit {
        content.results.removeAll()
        content.files = 0
      }
      let kept = Kept(stored: stored, version: version)
      if let old = content.results.updateValue(kept, forKey: task) { content.files -= old.stored.index.fileCount }
      content.files += stored.index.fileCount
    }
  }

  /// Notes that a listing of this version still holds.
  func renew(_ task: TaskPath, _ version: ListingVersion) {
    content.withLock { content in
      if content.results[task]?.version == version { content.results[task]?.checked = .now }
    }
  }

  func drop(_ task: TaskPath) {
    content.withLock { content in
      if let old = content.results.removeValue(forKey: task) { content.files -= old.stored.index.fileCount }
    }
  }
}
