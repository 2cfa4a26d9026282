import Glibc
import Synchronization

/// One member's content while it arrives, and afterwards. Many may read it at once.
///
/// Lock order: a leaf; no continuation is resumed and no system call made while the lock is held, but for dup(2).
public final class GrowingObject: Sendable {
  private struct Waiter {
    let offset: UInt64
    let count: Int
    let continuation: CheckedContinuation<Result<Int, CacheFailure>, Never>
  }

  private struct State {
    var available: UInt64 = 0
    var finalSize: UInt64?
    var failure: CacheFailure?
    /// Kept open while the member arrives, so that its readers need no path; afterwards the path will do.
    var descriptor: Descriptor?
    var waiters: [UInt64: Waiter] = [:]
    var lastWaiter: UInt64 = 0
  }

  private let state: Mutex<State>
  private let path: String
  /// The size that the archive announced before the content, in bytes.
  private let announced: UInt64?

  init(path: String, announced: UInt64?, descriptor: Descriptor) {
    self.path = path
    self.announced = announced
    state = Mutex(State(descriptor: descriptor))
  }

  /// Bytes that have arrived.
  public var available: UInt64 { state.withLock { $0.available } }

  /// The final size, or what the archive announced; nil when only the end will tell.
  public var size: UInt64? { state.withLock { $0.finalSize ?? announced } }

  /// Whether the member is whole and verified.
  public var isComplete: Bool { state.withLock { $0.finalSize != nil && $0.failure == nil } }

  /// Waits until `count` bytes from `offset` on are there, or all up to the end. Holds no thread while it waits.
  ///
  /// The last bytes of a member are given out only once its checksum has been verified: nobody reads a damaged file to its end.
  /// - Returns: how many bytes can be read at `offset`; fewer than `count` only at the end, zero at or beyond it.
  /// - Throws: `.cancelled` as soon as the waiting task is cancelled; the failure in which the member or its download ended.
  public func waitFor(offset: UInt64, count: Int) async throws(CacheFailure) -> Int {
    let (answer, id) = state.withLock { state in
      state.lastWaiter += 1
      return (reply(state, offset: offset, count: count), state.lastWaiter)
    }
    if let answer { return try answer.get() }
    let result: Result<Int, CacheFailure> = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer: Result<Int, CacheFailure>? = state.withLock { state in
          if let answer = reply(state, offset: offset, count: count) { return answer }
          // The handler below may have run before there was a waiter to be found.
          if Task.isCancelled { return .failure(.cancelled) }
          state.waiters[id] = Waiter(offset: offset, count: count, continuation: continuation)
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      let waiter = state.withLock { $0.waiters.removeValue(forKey: id) }
      waiter?.continuation.resume(returning: .failure(.cancelled))
    }
    return try result.get()
  }

  private func reply(_ state: borrowing State, offset: UInt64, count: Int) -> Result<Int, CacheFailure>? {
    if let failure = state.failure { return .failure(failure) }
    let (sum, overflow) = offset.addingReportingOverflow(UInt64(max(0, count)))
    let end = overflow ? UInt64.max : sum
    if let size = state.finalSize {
      return .success(Int(clamping: min(end, max(offset, size)) - offset))
    }
    guard end <= state.available, end < announced ?? .max else { return nil }
    return .success(Int(end - offset))
  }

  /// A descriptor for reading that the caller closes. It stays good whatever happens to the cache afterwards, and keeps the
  /// bytes from being evicted while something else can go.
  /// - Throws: `.notFound` when a complete member was evicted, `.io` when the system gives no more descriptors.
  public func duplicateDescriptor() throws(CacheFailure) -> Int32 {
    let held = try state.withLock { state throws(CacheFailure) in
      if let failure = state.failure { throw failure }
      return try state.descriptor?.duplicate()
    }
    if let held { return held }
    let file = try Descriptor.open(path, O_RDONLY)
    try ReadMark.set(on: file)
    return try file.duplicate()
  }

  // MARK: - for the writer

  func advance(to available: UInt64) {
    wake { $0.available = available }
  }

  func complete(size: UInt64) {
    wake { state in
      state.available = size
      state.finalSize = size
      state.descriptor = nil
    }
  }

  func fail(_ failure: CacheFailure) {
    wake { state in
      if state.failure == nil { state.failure = failure }
      state.descriptor = nil
    }
  }

  private func wake(_ change: (inout State) -> Void) {
    let (ready, released) = state.withLock { state in
      let before = state.descriptor
      change(&state)
      var ready: [(Waiter, Result<Int, CacheFailure>)] = []
      for (id, waiter) in state.waiters {
        guard let answer = reply(state, offset: waiter.offset, count: waiter.count) else { continue }
        ready.append((waiter, answer))
        state.waiters[id] = nil
      }
      return (ready, state.descriptor == nil ? before : nil)
    }
    for (waiter, answer) in ready { waiter.continuation.resume(returning: answer) }
    // The descriptor is closed here, outside the lock.
    _ = released
  }
}
