import Foundation
import Tasks

/// A task's status together with when it was learned.
struct KnownStatus: Hashable, Sendable {
  let status: TaskStatus
  /// When the API last said something else than before, or first said anything.
  let changed: Date
  /// When the API was last asked and answered.
  let asked: Date
  /// Why the API could not be asked this time; nil when this is its live answer.
  let staleReason: String?

  /// The next state of knowledge, once the API has answered.
  static func updated(_ previous: KnownStatus?, with status: TaskStatus, at now: Date) -> KnownStatus {
    let isSame = previous.map { $0.status.comparable == status.comparable } ?? false
    return KnownStatus(status: status, changed: isSame ? previous?.changed ?? now : now, asked: now, staleReason: nil)
  }

  func stale(because reason: String) -> KnownStatus {
    KnownStatus(status: status, changed: changed, asked: asked, staleReason: reason)
  }
}

extension TaskStatus {
  /// Everything but the raw answer, which may hold request ids and times of its own.
  fileprivate var comparable: TaskStatus {
    var copy = self
    copy.raw = []
    return copy
  }
}
