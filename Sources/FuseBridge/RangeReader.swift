import CFuse
import FileSystem
import Glibc
import Synchronization

/// Answers reads from open files on the local disk.
///
/// What the page cache holds is answered at once. What the disk has to bring is read on threads kept for it: a slow
/// disk must not hold up a thread on which Swift's tasks run.
///
/// The bytes are copied. Splicing them (`fuse_reply_data`) was measured to be no faster for reads of 128 KiB (2 to 3 GB/s
/// both) and three times slower for 1 MiB, which a pipe has to be grown for; and it sends what there is where the file
/// is shorter than promised.
final class RangeReader: Sendable {
  private struct Queue {
    var jobs: [Job] = []
    var idleThreads = 0
    var threads = 0
    var isClosed = false
  }

  private struct Job: Sendable {
    let token: RequestToken
    let source: Source
    let buffer: ReadBuffer
    /// Bytes that are in the buffer already.
    let done: Int
  }

  private struct Source: Sendable {
    let file: FileDescriptorBox
    let offset: UInt64
    let count: Int
  }

  /// As many reads as a disk or an SSD serves well at once.
  private static let maxThreads = 4
  private let queue = Monitor(Queue())
  private let buffers = ReadBuffers()

  /// Answers with `count` bytes of the file at `offset`; with EIO where it has fewer, for the tree has promised them: a
  /// file that was cut short under us must not look like one that ends there.
  func answer(_ reply: consuming Reply, from file: FileDescriptorBox, offset: UInt64, count: Int) {
    let source = Source(file: file, offset: offset, count: count)
    let buffer = buffers.take(count)
    let result = tollfs_pread_nowait(file.descriptor, buffer.start, count, off_t(clamping: offset))
    if result == count {
      reply.bytes(buffer.first(count))
      buffers.giveBack(buffer)
      return
    }
    submit(Job(token: reply.handOn(), source: source, buffer: buffer, done: max(0, result)))
  }

  /// Ends the threads once their work is done.
  func close() {
    queue.withLock { $0.isClosed = true }
  }

  private func submit(_ job: Job) {
    let needsThread = queue.withLock { queue in
      queue.jobs.append(job)
      guard queue.idleThreads < queue.jobs.count, queue.threads < Self.maxThreads else { return false }
      queue.threads += 1
      return true
    }
    if needsThread { startThread { [queue, buffers] in Self.work(queue, buffers) } }
  }

  private static func work(_ queue: Monitor<Queue>, _ buffers: ReadBuffers) {
    while true {
      queue.withLock { $0.idleThreads += 1 }
      let job: Job? = queue.wait { queue -> Job?? in
        if queue.jobs.isEmpty { return queue.isClosed ? .some(nil) : nil }
        return queue.jobs.removeFirst()
      }
      queue.withLock { $0.idleThreads -= 1 }
      guard let job else { return }
      finish(job)
      buffers.giveBack(job.buffer)
    }
  }

  private static func finish(_ job: Job) {
    let reply = Reply(job.token)
    var done = job.done
    while done < job.source.count {
      let result = pread(
        job.source.file.descriptor, job.buffer.start + done, job.source.count - done,
        off_t(clamping: job.source.offset + UInt64(done)))
      if result < 0, errno == EINTR { continue }
      guard result > 0 else { return reply.fail(errno: EIO) }
      done += result
    }
    reply.bytes(job.buffer.first(done))
  }
}

/// Memory for one read.
struct ReadBuffer: @unchecked Sendable {
  // Unchecked: belongs to one read at a time.
  let start: UnsafeMutableRawPointer
  let capacity: Int

  func first(_ count: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: start, count: count)
  }
}

/// A few buffers that go from read to read: fresh memory costs a page fault every 4 KiB.
final class ReadBuffers: Sendable {
  /// The largest read with 256 pages a request, which is what libfuse asks for.
  static let capacity = 1_048_576
  /// Kept for the next read; the rest, should there be more at a time, is given back to the system.
  private static let spareLimit = 4
  private let spare = Mutex<[ReadBuffer]>([])

  func take(_ count: Int) -> ReadBuffer {
    if count <= Self.capacity, let buffer = spare.withLock({ $0.popLast() }) { return buffer }
    let capacity = max(count, Self.capacity)
    return ReadBuffer(start: .allocate(byteCount: capacity, alignment: 4_096), capacity: capacity)
  }

  func giveBack(_ buffer: ReadBuffer) {
    let isKept = spare.withLock { spare in
      guard buffer.capacity == Self.capacity, spare.count < Self.spareLimit else { return false }
      spare.append(buffer)
      return true
    }
    if !isKept { buffer.start.deallocate() }
  }

  deinit {
    for buffer in spare.withLock({ $0 }) { buffer.start.deallocate() }
  }
}
