import AsyncHTTPClient
import NIOCore

/// Where an exchange stands. Every decision of ``HTTPExchange`` is made here, under its lock; nothing is called from here.
struct ExchangeState: ~Copyable {
  enum Step<Value: Sendable>: Sendable {
    case ready(Value)
    case failed(TransportFault)
    case wait
  }

  enum Verdict {
    case over
    case expired(TransportFault)
    case checkAgain(Duration)
  }

  /// What has to be resumed, released and stopped, once the lock is free.
  struct Loose {
    var waiters: [CheckedContinuation<Void, Never>] = []
    var hold: EventLoopPromise<Void>?
    var timer: Scheduled<Void>?
    var task: HTTPClient.Task<Void>?
  }

  private enum Phase {
    case open
    case ended
    case failed(TransportFault)
  }

  var task: HTTPClient.Task<Void>?
  var timer: Scheduled<Void>?
  private(set) var requestLeft = false

  private let network: NetworkSettings
  private let highWater: Int
  private let started: Duration
  /// When the whole exchange must be over, on the clock of `now`.
  private var end: Duration?
  private var phase = Phase.open
  private var head: AnswerHead?
  /// What arrived and was not taken, as it came: it is put together on the reader's thread, not on the connections'.
  private var pending: [ByteBuffer] = []
  private var pendingCount = 0
  private var breakage: TransportFault?
  /// Set between a break and the closing of its connection: whether the client has reported the end meanwhile.
  private var endIsHeld: Bool?
  private var waiters: [CheckedContinuation<Void, Never>] = []
  private var heldBack: EventLoopPromise<Void>?
  private var watch: StallWatch
  private var sentAt: Duration?

  init(network: NetworkSettings, deadline: Duration?, highWater: Int, now: Duration) {
    self.network = network
    self.highWater = highWater
    end = deadline.map { now + $0 }
    started = now
    watch = StallWatch(network)
  }

  var isOver: Bool {
    if case .open = phase { false } else { true }
  }

  // MARK: The reader's side

  func takeHead() -> Step<AnswerHead> {
    if let head { return .ready(head) }
    if case .failed(let fault) = phase { return .failed(fault) }
    if case .ended = phase { return .failed(TransportFault(kind: .badAnswer, text: "an answer without a head")) }
    return .wait
  }

  /// All bytes that are there; nil at the proper end.
  mutating func takeBytes() -> Step<[ByteBuffer]?> {
    if !pending.isEmpty {
      defer { dropPending() }
      return .ready(pending)
    }
    switch phase {
    case .open: return .wait
    case .ended: return .ready(nil)
    case .failed(let fault): return .failed(fault)
    }
  }

  /// The promise that holds the connection back, if there is room again.
  mutating func releaseHold() -> EventLoopPromise<Void>? {
    guard pending.isEmpty else { return nil }
    defer { heldBack = nil }
    return heldBack
  }

  /// Registers who waits for the head, or for bytes. False when there is something to look at already.
  mutating func wait(_ waiter: CheckedContinuation<Void, Never>, forHead: Bool, now: Duration) -> Bool {
    guard case .open = phase, forHead ? head == nil : pending.isEmpty else { return false }
    waiters.append(waiter)
    if !forHead { watch.beginWait(at: now) }
    return true
  }

  // MARK: The connection's side

  mutating func requestWasSent(at now: Duration) {
    requestLeft = true
    if sentAt == nil { sentAt = now }
  }

  mutating func received(head: AnswerHead, now: Duration) -> [CheckedContinuation<Void, Never>] {
    self.head = head
    return wake(now)
  }

  mutating func received(_ bytes: ByteBuffer, now: Duration) -> ([CheckedContinuation<Void, Never>], isFull: Bool) {
    guard case .open = phase, bytes.readableBytes > 0 else { return ([], false) }
    add(bytes)
    watch.received(bytes.readableBytes, at: now)
    return (wake(now), pendingCount >= highWater)
  }

  private mutating func add(_ bytes: ByteBuffer) {
    pendingCount += bytes.readableBytes
    // A small piece may keep a whole buffer of a read alive: behind others, it is copied.
    if bytes.readableBytes < HTTPExchange.smallPiece, let last = pending.indices.last {
      pending[last].writeImmutableBuffer(bytes)
    } else {
      pending.append(bytes)
    }
  }

  private mutating func dropPending() {
    pending = []
    pendingCount = 0
  }

  /// Keeps the promise until the reader has taken what is there. False when there is no need to.
  mutating func hold(_ promise: EventLoopPromise<Void>) -> Bool {
    guard case .open = phase, !pending.isEmpty else { return false }
    heldBack = promise
    return true
  }

  mutating func broken(_ fault: TransportFault) {
    if breakage == nil { breakage = fault }
    endIsHeld = false
  }

  /// The reader may hear of the break now, once everything that arrived before it was taken in.
  mutating func connectionIsClosed(now: Duration) -> Loose {
    defer { endIsHeld = nil }
    return endIsHeld == true ? finished(now) : Loose()
  }

  mutating func ended(now: Duration) -> Loose {
    guard endIsHeld == nil else {
      endIsHeld = true
      return Loose()
    }
    return finished(now)
  }

  private mutating func finished(_ now: Duration) -> Loose {
    guard case .open = phase else { return Loose() }
    phase = breakage.map { .failed($0) } ?? .ended
    // The task is finished by itself: cancelling it would only make noise.
    task = nil
    return letGo(now)
  }

  mutating func fail(_ fault: TransportFault, now: Duration) -> Loose {
    guard case .open = phase else {
      // Nobody will come for the bytes any more.
      if fault.kind == .cancelled { dropPending() }
      return Loose()
    }
    phase = .failed(breakage ?? fault)
    if fault.kind == .cancelled { dropPending() }
    return letGo(now)
  }

  private mutating func letGo(_ now: Duration) -> Loose {
    let loose = Loose(waiters: wake(now), hold: heldBack, timer: timer, task: task)
    heldBack = nil
    timer = nil
    task = nil
    return loose
  }

  private mutating func wake(_ now: Duration) -> [CheckedContinuation<Void, Never>] {
    watch.endWait(at: now)
    defer { waiters = [] }
    return waiters
  }

  // MARK: Deadlines

  /// The exchange shall be over this much later, whatever flows.
  mutating func limit(to time: Duration, now: Duration) {
    end = min(end ?? now + time, now + time)
  }

  mutating func verdict(place: String, now: Duration) -> Verdict {
    guard case .open = phase else { return .over }
    if let end, now >= end {
      let time = (end - started).forPeople
      return .expired(TransportFault(kind: .timedOut, text: "no complete answer from \(place) within \(time)"))
    }
    // Looked at once a read timeout at least: what is waited for changes without anybody setting the timer anew.
    let untilDeadline = min(network.readTimeout, end.map { $0 - now } ?? network.readTimeout)
    guard head != nil else { return verdictBeforeHead(place: place, now: now, atMost: untilDeadline) }
    switch watch.verdict(at: now) {
    case .fine(let delay): return .checkAgain(min(delay, untilDeadline))
    case .silent:
      return .expired(
        TransportFault(kind: .timedOut, text: "no byte from \(place) for \(network.readTimeout.forPeople)"))
    case .tooSlow(let bytes, let time):
      return .expired(
        TransportFault(kind: .timedOut, text: "only \(bytes) bytes from \(place) in \(time.forPeople)"))
    }
  }

  private func verdictBeforeHead(place: String, now: Duration, atMost: Duration) -> Verdict {
    // The client has its own connect timeout, which knows more about the reason; ours is for what that one misses.
    let limit = sentAt.map { $0 + network.readTimeout } ?? (started + network.connectTimeout + .seconds(1))
    if now < limit { return .checkAgain(min(limit - now, atMost)) }
    return .expired(
      requestLeft
        ? TransportFault(kind: .timedOut, text: "no answer from \(place) within \(network.readTimeout.forPeople)")
        : TransportFault(kind: .timedOut, text: "can't connect to \(place) in time"))
  }
}
