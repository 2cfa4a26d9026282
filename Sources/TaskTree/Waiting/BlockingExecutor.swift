import FileSystem
import Glibc
import Synchronization

/// A thread of its own for work that blocks (inflating, checksumming, writing to disk), so that Swift's cooperative pool,
/// which has only as many threads as the machine has cores, never stands still.
final class BlockingExecutor: TaskExecutor {
  private let queue = JobQueue()

  /// - Parameter threads: how many jobs can run at once.
  static func started(threads: Int = 1) throws(ThreadFailure) -> BlockingExecutor {
    let executor = BlockingExecutor()
    for _ in 0..<threads { try executor.queue.startThread() }
    return executor
  }

  /// For one download.
  static func forDownload() throws(FileSystemFailure) -> BlockingExecutor { try started(by: 1) }

  /// For all that arrives by ranges: decoding and writing keep as many busy as there are cores in a small machine, and one
  /// that waits for a slow disk does not hold up the others.
  static func forRanges() throws(FileSystemFailure) -> BlockingExecutor { try started(by: 4) }

  private static func started(by threads: Int) throws(FileSystemFailure) -> BlockingExecutor {
    do throws(ThreadFailure) {
      return try started(threads: threads)
    } catch {
      throw FileSystemFailure(.inputOutput, "the system gives no more threads (errno \(error.code))")
    }
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

/// Jobs in the order in which they came, run by its threads until closed and empty.
private final class JobQueue: Sendable {
  private struct Content {
    private var jobs: [(UnownedJob, UnownedTaskExecutor)] = []
    /// How many of them have been taken.
    private var taken = 0
    var isClosed = false

    mutating func append(_ job: UnownedJob, for executor: UnownedTaskExecutor) {
      jobs.append((job, executor))
    }

    mutating func next() -> (UnownedJob, UnownedTaskExecutor)? {
      guard taken < jobs.count else { return nil }
      taken += 1
      defer {
        if taken == jobs.count {
          jobs.removeAll(keepingCapacity: true)
          taken = 0
        }
      }
      return jobs[taken - 1]
    }
  }

  private let content = Mutex(Content())
  private let available = Semaphore()

  func append(_ job: UnownedJob, for executor: UnownedTaskExecutor) {
    content.withLock { $0.append(job, for: executor) }
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
      let (next, isClosed) = content.withLock { content in (content.next(), content.isClosed) }
      if let (job, executor) = next { job.runSynchronously(on: executor) }
      guard isClosed else { continue }
      // Every thread has to hear of it.
      available.signal()
      if next == nil { return }
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
