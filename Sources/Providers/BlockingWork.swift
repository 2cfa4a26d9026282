import Dispatch

/// Calls that block run here, on threads of their own: Swift's cooperative pool has as many threads as the machine has
/// cores, and a blocked one is lost to everybody.
enum BlockingWork {
  private static let queue = DispatchQueue(label: "tollfs.providers.blocking", attributes: .concurrent)

  static func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
      queue.async { continuation.resume(returning: body()) }
    }
  }
}
