import Synchronization
import Tasks

/// Tells whoever keeps names and pages of a task's results that they are of an older version by now.
///
/// Lock order: a leaf; the listener is called outside.
final class ResultChanges: Sendable {
  typealias Listener = @Sendable (TaskPath) -> Void

  private let listener = Mutex<Listener?>(nil)

  func listen(_ body: @escaping Listener) {
    listener.withLock { $0 = body }
  }

  func tell(_ task: TaskPath) {
    listener.withLock { $0 }?(task)
  }
}
