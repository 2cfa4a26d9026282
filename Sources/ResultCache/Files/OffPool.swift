import Dispatch

/// Runs short blocking work (locks, opens, directory scans) on threads of its own: Swift's cooperative pool has only as many
/// as the machine has cores.
enum OffPool {
  private static let queue = DispatchQueue(label: "tollfs.cache.files", attributes: .concurrent)

  static func run<Value: Sendable>(
    _ body: @escaping @Sendable () throws(CacheFailure) -> Value
  ) async throws(CacheFailure) -> Value {
    let result: Result<Value, CacheFailure> = await withCheckedContinuation { continuation in
      queue.async { continuation.resume(returning: Result(catching: body)) }
    }
    return try result.get()
  }
}
