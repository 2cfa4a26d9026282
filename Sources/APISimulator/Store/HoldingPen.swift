import Synchronization

/// Where answers wait that are held until somebody releases them.
final class HoldingPen: Sendable {
  private struct State {
    var next = 0
    var held: [Int: @Sendable () -> Void] = [:]
  }

  private let state = Mutex(State())

  /// How many are held now.
  var count: Int { state.withLock { $0.held.count } }

  /// A number for one that will enter.
  func number() -> Int {
    state.withLock { state in
      state.next += 1
      return state.next
    }
  }

  /// `release` is called once, unless ``leave(_:)`` comes first.
  func enter(_ number: Int, _ release: @escaping @Sendable () -> Void) {
    state.withLock { $0.held[number] = release }
  }

  /// Takes one out; nil when it was released or taken out before.
  @discardableResult
  func leave(_ number: Int) -> (@Sendable () -> Void)? {
    state.withLock { $0.held.removeValue(forKey: number) }
  }

  /// Releases all that are held now.
  func release() {
    let held = state.withLock { state in
      defer { state.held = [:] }
      return Array(state.held.values)
    }
    for release in held { release() }
  }

  /// Waits to be released, or for the end of the task.
  func wait() async {
    let number = number()
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        enter(number) { continuation.resume() }
        // The cancellation may have come before there was anything to take out.
        if Task.isCancelled { leave(number)?() }
      }
    } onCancel: {
      leave(number)?()
    }
  }
}
