import CFuse
import Synchronization

/// A request that waits for its answer: what an interrupt cancels.
final class InFlight: Sendable {
  private struct State {
    var task: Task<Void, Never>?
    var isCancelled = false
  }

  /// Keeps libfuse's session alive as long as this request needs it.
  let connection: Connection
  let operation: StaticString
  private let state = Mutex(State())

  init(connection: Connection, operation: StaticString) {
    self.connection = connection
    self.operation = operation
  }

  /// Says which task answers the request. An interrupt may have come before, and the task may be over already.
  func attach(_ task: Task<Void, Never>) {
    let isCancelled = state.withLock { state in
      state.task = task
      return state.isCancelled
    }
    if isCancelled { task.cancel() }
  }

  func cancel() {
    let task = state.withLock { state in
      state.isCancelled = true
      return state.task
    }
    task?.cancel()
  }
}

/// What a request is answered through, while it travels to the task that answers it. Whoever takes it makes exactly one
/// ``Reply`` of it.
struct RequestToken: @unchecked Sendable {
  // Unchecked: libfuse allows a request to be answered from any thread, and only the one reply touches it.
  let request: OpaquePointer
  /// One reference to the ``InFlight``, which the reply gives back.
  let inFlight: Unmanaged<InFlight>

  /// Lets interrupts of this request arrive. Called on the thread that receives requests.
  init(_ request: OpaquePointer, _ inFlight: InFlight) {
    self.request = request
    self.inFlight = Unmanaged.passRetained(inFlight)
    // libfuse calls the function at once if the interrupt came first, and never after the reply has unset it.
    fuse_req_interrupt_func(
      request,
      { _, context in
        guard let context else { return }
        Unmanaged<InFlight>.fromOpaque(context).takeUnretainedValue().cancel()
      }, self.inFlight.toOpaque())
  }

  /// For a reply that goes on to be answered elsewhere: interrupts are set up already.
  init(continuing request: OpaquePointer, _ inFlight: Unmanaged<InFlight>) {
    self.request = request
    self.inFlight = inFlight
  }
}
