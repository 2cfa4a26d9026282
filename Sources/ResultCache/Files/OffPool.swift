import Dispatch
import Synchronization

/// Runs short blocking work (locks, opens, directory scans) on threads of its own: Swift's cooperative pool has only as many
/// as the machine has cores.
enum OffPool {
  private static let queue = DispatchQueue(label: "tollfs.cache.files", attributes: .concurrent)

  static func run<Value: Sendable>(
    _ body: @escaping @Sendable () throws(CacheFailure) -> Value
  ) async throws(CacheFailure) -> Value {
    try await QueuedWork(body).run(on: queue)
  }
}

/// The same, one after the other.
final class SerialLane: Sendable {
  private let queue: DispatchQueue

  init(_ label: String) {
    queue = DispatchQueue(label: label)
  }

  func run<Value: Sendable>(
    _ body: @escaping @Sendable () throws(CacheFailure) -> Value
  ) async throws(CacheFailure) -> Value {
    try await QueuedWork(body).run(on: queue)
  }
}

/// Lets go of what the work holds (files, locks) before whoever waits for it goes on; the queue would do so some time later.
private final class QueuedWork<Value: Sendable>: Sendable {
  private let body: Mutex<(@Sendable () throws(CacheFailure) -> Value)?>

  init(_ body: @escaping @Sendable () throws(CacheFailure) -> Value) {
    self.body = Mutex(body)
  }

  func run(on queue: DispatchQueue) async throws(CacheFailure) -> Value {
    let result: Result<Value, CacheFailure> = await withCheckedContinuation { continuation in
      queue.async {
        // Handed over, not kept: what it holds must be the caller's alone.
        continuation.resume(returning: self.perform())
      }
    }
    return try result.get()
  }

  private func perform() -> Result<Value, CacheFailure> {
    let body = body.withLock { body in
      defer { body = nil }
      return body
    }
    guard let body else { return .failure(CacheFailure(.io, "work was begun twice")) }
    return Result(catching: body)
  }
}
