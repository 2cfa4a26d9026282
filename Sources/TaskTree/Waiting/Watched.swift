import Synchronization

/// A value that tasks can wait on: every update lets all waiters look again.
///
/// Waiting holds no thread and no lock. A waiter whose task is cancelled leaves at once, and nothing else is disturbed.
/// Lock order: this lock is a leaf; no other lock is taken, and no continuation resumed, while it is held.
final class Watched<State: Sendable>: Sendable {
  private struct Content {
    var state: State
    var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    var nextWaiter: UInt64 = 0
  }

  private let content: Mutex<Content>

  init(_ state: State) {
    content = Mutex(Content(state: state))
  }

  func read<Result: Sendable>(_ body: @Sendable (State) -> Result) -> Result {
    content.withLock { body($0.state) }
  }

  @discardableResult
  func update<Result: Sendable>(_ body: @Sendable (inout State) -> Result) -> Result {
    let (result, waiters) = content.withLock { content in
      let result = body(&content.state)
      let waiters = Array(content.waiters.values)
      content.waiters.removeAll(keepingCapacity: true)
      return (result, waiters)
    }
    for waiter in waiters { waiter.resume() }
    return result
  }

  /// Waits until `condition` gives a value.
  /// - Throws: `CancellationError` as soon as the waiting task is cancelled.
  func wait<Result: Sendable>(for condition: @Sendable (State) -> Result?) async throws(CancellationError) -> Result {
    while true {
      if let result = read(condition) { return result }
      if Task.isCancelled { throw CancellationError() }
      let id = content.withLock { content in
        content.nextWaiter += 1
        return content.nextWaiter
      }
      await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
          let isReady = content.withLock { content in
            if condition(content.state) != nil { return true }
            content.waiters[id] = continuation
            return false
          }
          if isReady {
            continuation.resume()
          } else if Task.isCancelled {
            // The handler below may have run before the continuation was there to be found.
            resume(id)
          }
        }
      } onCancel: {
        resume(id)
      }
    }
  }

  private func resume(_ id: UInt64) {
    content.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
  }
}
