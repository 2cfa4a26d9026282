import Glibc

/// A value under a lock, for threads (never for Swift tasks) that wait until it has changed.
final class Monitor<Value>: @unchecked Sendable {
  // Unchecked: `value` is touched only under `mutex`; both pointers never change.
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var value: Value

  init(_ value: Value) {
    self.value = value
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    // A wait must not end early or late because somebody set the clock.
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(changed, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(mutex)
    changed.deallocate()
    mutex.deallocate()
  }

  /// Looks at the value, or changes it; whoever waits looks again.
  func withLock<Answer>(_ body: (inout Value) -> Answer) -> Answer {
    pthread_mutex_lock(mutex)
    defer {
      pthread_cond_broadcast(changed)
      pthread_mutex_unlock(mutex)
    }
    return body(&value)
  }

  /// Blocks until `answer` is not nil.
  func wait<Answer>(for answer: (inout Value) -> Answer?) -> Answer {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while true {
      if let found = answer(&value) { return found }
      pthread_cond_wait(changed, mutex)
    }
  }

  /// Blocks until the condition holds, or until the deadline, which may depend on the value.
  /// Returns whether the condition holds.
  func wait(until deadline: (Value) -> ContinuousClock.Instant, for condition: (Value) -> Bool) -> Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while !condition(value) {
      let left = deadline(value) - .now
      guard left > .zero else { return false }
      var time = Self.monotonicTime(after: left)
      pthread_cond_timedwait(changed, mutex, &time)
    }
    return true
  }

  private static func monotonicTime(after duration: Duration) -> timespec {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    // A day at most: the waiter looks again then.
    let parts = min(duration, .seconds(86_400)).components
    let nanoseconds = time.tv_nsec + Int(parts.attoseconds / 1_000_000_000)
    time.tv_sec += Int(parts.seconds) + nanoseconds / 1_000_000_000
    time.tv_nsec = nanoseconds % 1_000_000_000
    return time
  }
}

/// Runs a closure on a new thread of its own: the place for whatever blocks.
func startThread(_ body: @escaping @Sendable () -> Void) {
  final class Work {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  let work = Unmanaged.passRetained(Work(body))
  var attributes = pthread_attr_t()
  pthread_attr_init(&attributes)
  defer { pthread_attr_destroy(&attributes) }
  pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
  var thread = pthread_t()
  let status = pthread_create(
    &thread, &attributes,
    { context in
      guard let context else { return nil }
      let work = Unmanaged<Work>.fromOpaque(context).takeRetainedValue()
      work.body()
      return nil
    }, work.toOpaque())
  // Nothing works any more in a process that can't have a thread.
  precondition(status == 0, "no thread: \(errorText(status))")
}
