import Synchronization
import Tasks

/// Members whose content turned out wrong after the kernel had been given some of it, until they are opened again.
///
/// The kernel is told, too, but by a thread of its own: whoever opens the file in the very next moment must not be shown pages
/// of the wrong content.
/// Lock order: a leaf.
final class SpoiltFiles: Sendable {
  private struct Key: Hashable {
    let task: TaskPath
    let ordinal: Int
  }

  private let keys = Mutex<Set<Key>>([])

  func add(_ ordinal: Int, of task: TaskPath) {
    keys.withLock { _ = $0.insert(Key(task: task, ordinal: ordinal)) }
  }

  /// Whether pages have to be dropped, which the caller then sees to.
  func take(_ ordinal: Int, of task: TaskPath) -> Bool {
    keys.withLock { $0.remove(Key(task: task, ordinal: ordinal)) != nil }
  }
}
