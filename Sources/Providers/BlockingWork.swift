import Glibc

/// Calls that block run here, each on a thread of its own: Swift's cooperative pool has as many threads as the machine
/// has cores, and libdispatch shares them and adds new ones only slowly. Reading a key is rare enough for a thread each.
enum BlockingWork {
  private final class Job {
    let body: () -> Void

    init(_ body: @escaping () -> Void) {
      self.body = body
    }
  }

  static func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
      let job = Unmanaged.passRetained(Job { continuation.resume(returning: body()) })
      var attributes = pthread_attr_t()
      pthread_attr_init(&attributes)
      defer { pthread_attr_destroy(&attributes) }
      pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
      var thread = pthread_t()
      let code = pthread_create(
        &thread, &attributes,
        { argument in
          if let argument { Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().body() }
          return nil
        }, job.toOpaque())
      // No thread to be had: better here, and late, than never.
      if code != 0 { job.takeRetainedValue().body() }
    }
  }
}
