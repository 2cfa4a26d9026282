import Glibc
import Synchronization

/// A thread of its own for work that blocks (inflating, checksumming, writing to disk), so that Swift's cooperative pool,
/// which has only as many threads as the machine has cores, never stands still.
final class BlockingExecutor: TaskExecutor {
  private let queue = JobQueue()

  static func started() throws(ThreadFailure) -> BlockingExecutor {
    let executor = BlockingExecutor()
    try executor.queue.startThread()
    return executor
  }

  private init() {}

  func enqueue(_ job: consuming ExecutorJob) {
    queue.append(UnownedJob(job), for: asUnownedTaskExecutor())
  }

  deinit {
    queue.close()
  }
}

/// The system refused a thread.
struct ThreadFailure: Error {
  let code: Int32
}

/// Jobs in the order in which they came, run by one thread until closed and empty.
private final class JobQueue: Sendable {
  private struct Content {
    var jobs: [(UnownedJob, UnownedTaskExecutor)] = []
    var isClosed = false
  }

  private let content = Mutex(Content())
  private let available = Semaphore()

  func append(_ job: UnownedJob, for executor: UnownedTaskExecutor) {
    content.withLock { $0.jobs.append((job, executor)) }
    available.signal()
  }

  func close() {
    content.withLock { $0.isClosed = true }
    available.signal()
  }

  func startThread() throws(ThreadFailure) {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(self)
    let code = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<JobQueue>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, context.toOpaque())
    guard code == 0 else {
      context.release()
      throw ThreadFailure(code: code)
    }
    pthread_detach(thread)
  }

  private func run() {
    while true {
      available.wait()
      let (jobs, isClosed) = content.withLock { content in
        defer { content.jobs.removeAll(keepingCapacity: true) }
        return (content.jobs, content.isClosed)
      }
      for (job, executor) in jobs { job.runSynchronously(on: executor) }
      if isClosed, jobs.isEmpty { return }
      if isClosed { available.signal() }
    }
  }
}

/// A counting semaphore. `sem_t` must not move in memory, so it lives in an allocation of its own.
private final class Semaphore: @unchecked Sendable {
  // @unchecked: the pointer never changes, and sem_post and sem_wait may be called from any thread (POSIX).
  private let pointer: UnsafeMutablePointer<sem_t>

  init() {
    pointer = .allocate(capacity: 1)
    sem_init(pointer, 0, 0)
  }

  func signal() { sem_post(pointer) }

  func wait() {
    while sem_wait(pointer) != 0, errno == EINTR {}
  }

  deinit {
    sem_destroy(pointer)
    pointer.deallocate()
  }
}
