import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Synchronization

/// What the start of an answer says.
struct AnswerHead: Hashable, Sendable {
  let status: Int
  /// Without parameters, in lower case: `application/zip`.
  let contentType: String?
  let contentLength: Int64?
  let retryAfter: String?
  let location: String?
  /// What tells versions of a content apart, and which part of it this is.
  var etag: String?
  var lastModified: String?
  var contentRange: String?
  var contentDisposition: String?
  /// When the server answered, by its own clock; not what a cache on the way has kept (it adds an `Age`).
  var date: String?
}

/// One request and its answer, which is pulled by one reader. Every wait has a deadline.
///
/// Bytes are collected up to a mark, ``highWater`` unless given; then the connection is not read any more until the reader comes back.
/// So a stream holds that much, one burst of reads (256 KiB, of packages 1 MiB), and, only when the server has closed already, what the
/// kernel still had.
final class HTTPExchange: HTTPClientResponseDelegate, Sendable {
  typealias Response = Void

  /// 256 KiB: four reads of a connection. Less costs throughput for want of overlap, more only costs memory.
  static let highWater = 256 << 10
  /// 16 KiB: copying less costs no more than keeping it apart.
  static let smallPiece = 16 << 10

  private let state: Mutex<ExchangeState>
  private let place: String

  /// - Parameter deadline: a bound on the whole exchange, from now; nil where a body may take as long as it flows.
  init(
    place: String, network: NetworkSettings, deadline: Duration? = nil, highWater: Int = HTTPExchange.highWater
  ) {
    self.place = place
    state = Mutex(ExchangeState(network: network, deadline: deadline, highWater: highWater, now: Self.now()))
  }

  /// Sends the request. To be called once.
  func start(_ request: HTTPClient.Request, on client: HTTPClient) {
    let task = client.execute(request: request, delegate: self)
    // Also reached when the client refuses the request before the delegate hears of it.
    task.futureResult.whenFailure { [self] error in
      let requestLeft = state.withLock { $0.requestLeft }
      fail(TransportFault(error, place: place, requestLeft: requestLeft))
    }
    let isOver = state.withLock { state in
      state.task = task
      return state.isOver
    }
    if isOver {
      task.cancel()
    } else {
      task.eventLoop.execute { [self] in watch(on: task.eventLoop) }
    }
  }

  /// Whether the request has been written to a connection. Never goes back to false.
  var requestLeft: Bool { state.withLock { $0.requestLeft } }

  /// Waits for the start of the answer.
  func head() async throws(TransportFault) -> AnswerHead {
    while true {
      switch state.withLock({ $0.takeHead() }) {
      case .ready(let head): return head
      case .failed(let fault): throw fault
      case .wait: await change(forHead: true)
      }
    }
  }

  /// The next bytes of the body, all that have arrived so far; nil at its proper end.
  func next() async throws(TransportFault) -> [UInt8]? {
    while true {
      let (step, held) = state.withLock { state in (state.takeBytes(), state.releaseHold()) }
      held?.succeed()
      switch step {
      case .ready(let pieces): return pieces.map(Self.joined)
      case .failed(let fault): throw fault
      case .wait: await change(forHead: false)
      }
    }
  }

  /// The one copy on the way of a byte from the connection to its reader.
  private static func joined(_ pieces: [ByteBuffer]) -> [UInt8] {
    let count = pieces.reduce(0) { $0 + $1.readableBytes }
    return [UInt8](unsafeUninitializedCapacity: count) { target, filled in
      let target = UnsafeMutableRawBufferPointer(target)
      for piece in pieces {
        piece.withUnsafeReadableBytes { source in
          UnsafeMutableRawBufferPointer(rebasing: target[filled...]).copyMemory(from: source)
        }
        filled += piece.readableBytes
      }
    }
  }

  /// Bounds what is left of the exchange, from now.
  func limit(to time: Duration) {
    state.withLock { $0.limit(to: time, now: Self.now()) }
  }

  /// Closes the connection, unless the answer has ended. Bytes that were not taken are dropped.
  func cancel() {
    fail(.cancelled)
  }

  /// Returns when there is something new to look at; at once if there is already. Cancellation cancels the exchange.
  private func change(forHead: Bool) async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { (waiter: CheckedContinuation<Void, Never>) in
        let isNew = state.withLock { $0.wait(waiter, forHead: forHead, now: Self.now()) }
        if !isNew { waiter.resume() }
      }
    } onCancel: {
      cancel()
    }
  }

  private func fail(_ fault: TransportFault) {
    finish { $0.fail(fault, now: Self.now()) }
  }

  private func finish(_ change: (inout ExchangeState) -> ExchangeState.Loose) {
    let loose = state.withLock { change(&$0) }
    for waiter in loose.waiters { waiter.resume() }
    loose.hold?.succeed()
    loose.timer?.cancel()
    loose.task?.cancel()
  }

  private static func now() -> Duration {
    .nanoseconds(Int64(clamping: NIODeadline.now().uptimeNanoseconds))
  }
}

// MARK: What the connection reports, on its event loop
extension HTTPExchange {
  func didSendRequestHead(task: HTTPClient.Task<Void>, _ head: HTTPRequestHead) {
    state.withLock { $0.requestWasSent(at: Self.now()) }
  }

  func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
    let type = head.headers.first(name: "Content-Type")?.prefix { $0 != ";" }.lowercased()
    let field = { (name: String) in head.headers.first(name: name) }
    let answer = AnswerHead(
      status: Int(head.status.code),
      contentType: type.map { $0.filter { $0 != " " } },
      contentLength: field("Content-Length").flatMap { Int64($0) },
      retryAfter: field("Retry-After"),
      location: field("Location"),
      etag: field("ETag"),
      lastModified: field("Last-Modified"),
      contentRange: field("Content-Range"),
      contentDisposition: field("Content-Disposition"),
      date: field("Age") == nil ? field("Date") : nil)
    let waiters = state.withLock { $0.received(head: answer, now: Self.now()) }
    for waiter in waiters { waiter.resume() }
    return task.eventLoop.makeSucceededVoidFuture()
  }

  func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
    let (waiters, isFull) = state.withLock { $0.received(buffer, now: Self.now()) }
    for waiter in waiters { waiter.resume() }
    guard isFull else { return task.eventLoop.makeSucceededVoidFuture() }
    let promise = task.eventLoop.makePromise(of: Void.self)
    let isHeld = state.withLock { $0.hold(promise) }
    if !isHeld { promise.succeed() }
    return promise.futureResult
  }

  func didFinishRequest(task: HTTPClient.Task<Void>) throws {
    finish { $0.ended(now: Self.now()) }
  }

  /// The body ended too early; the bytes before are good. See ``BreakTap``.
  func bodyBroke(_ error: any Error) {
    let fault: TransportFault
    switch error {
    case is HTTPParserError, is ChannelError:
      fault = TransportFault(kind: .unreachable, text: "connection to \(place) lost")
    default:
      fault = TransportFault(error, place: place, requestLeft: true)
    }
    state.withLock { $0.broken(fault) }
  }

  /// After ``bodyBroke(_:)``.
  func connectionIsClosed() {
    finish { $0.connectionIsClosed(now: Self.now()) }
  }

  private func watch(on loop: any EventLoop) {
    let verdict = state.withLock { $0.verdict(place: place, now: Self.now()) }
    switch verdict {
    case .over: break
    case .expired(let fault): fail(fault)
    case .checkAgain(let delay):
      // Never more often than once a millisecond, whatever rounding says.
      let timer = loop.scheduleTask(in: max(.milliseconds(1), TimeAmount(delay))) { [weak self] () -> Void in
        self?.watch(on: loop)
      }
      let isOver = state.withLock { state in
        state.timer = timer
        return state.isOver
      }
      if isOver { timer.cancel() }
    }
  }
}
