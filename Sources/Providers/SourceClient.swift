import AsyncHTTPClient
import Logging
import NIOHTTP1
import Tasks

/// What a source asks of its API.
struct APIRequest: Sendable {
  let method: HTTPMethod
  let address: WebAddress
  let accept: String
  let purpose: RedirectRule.Purpose
  /// For reasons and logs: `status of ID`.
  let subject: String
}

/// A failed try, and what may be done about it.
struct FailedTry: Error, Sendable {
  enum Remedy: Hashable, Sendable {
    case none
    case pause(RetryPolicy.Cause)
    /// Another key, if there is one now.
    case anotherKey
  }

  let kind: SourceFailure.Kind
  let text: String
  var billing = SourceFailure.Billing.notBilled
  var remedy = Remedy.none
}

/// One source's way to its API: key, rate limit, redirects, deadlines and repeats. Knows no API's answers.
final class SourceClient: Sendable {
  let name: SourceName
  private let endpoint: EndpointURL
  private let network: NetworkSettings
  private let policy: RetryPolicy
  private let connections: HTTPConnections
  private let keys: KeyCache
  private let limiter: RateLimiter
  private let clock: SourceClock
  private let logger: Logger

  init(
    settings: SourceSettings, key: any KeyProvider, network: NetworkSettings, connections: HTTPConnections,
    logger: Logger, clock: SourceClock
  ) {
    name = settings.name
    endpoint = settings.endpoint
    self.network = network
    policy = RetryPolicy(repeats: network.retries)
    self.connections = connections
    keys = KeyCache(key, clock: clock)
    limiter = RateLimiter(perSecond: settings.rateLimit, clock: clock)
    self.clock = clock
    self.logger = logger
  }

  /// Makes a request, and makes it again where `judge` says that this is safe and may help.
  ///
  /// - Parameter judge: turns an answer, whose body has not been read, into a value.
  func perform<Value: Sendable>(
    _ request: APIRequest,
    judge: @Sendable (HTTPExchange, AnswerHead) async -> Result<Value, FailedTry>
  ) async throws(SourceFailure) -> Value {
    var log = logger
    log[metadataKey: "source"] = "\(name)"
    log[metadataKey: "subject"] = "\(request.subject)"
    let started = clock.now()
    var repeats = 0
    var triedAnotherKey = false
    while true {
      try await waitForTurn(request)
      let key = try await keys.key()
      let left = network.callDeadline - (clock.now() - started)
      let failed: FailedTry
      switch await once(request, key: key, left: left, log: log, judge: judge) {
      case .success(let value): return value
      case .failure(let failure): failed = failure
      }
      let failure = named(failed, request: request, key: key)
      switch failed.remedy {
      case .none: throw failure
      case .anotherKey:
        guard !triedAnotherKey, try await keys.replace(refused: key) else { throw failure }
        triedAnotherKey = true
        log.debug("key refused, trying with another one")
      case .pause(let cause):
        guard let pause = nextPause(cause, repeats: repeats, started: started) else { throw failure }
        log.debug("waiting before a repeat", metadata: ["pause": "\(pause)", "repeat": "\(repeats + 1)"])
        if case .rateLimited = cause { limiter.pause(for: pause) }
        await clock.sleep(pause)
        if Task.isCancelled { throw .cancelled }
        repeats += 1
      }
    }
  }

  private func nextPause(_ cause: RetryPolicy.Cause, repeats: Int, started: Duration) -> Duration? {
    var random = SystemRandomNumberGenerator()
    guard let pause = policy.pause(afterRepeats: repeats, cause: cause, random: &random) else { return nil }
    // A pause that leaves no time for the request after it would be waited for in vain.
    return clock.now() - started + pause < network.callDeadline ? pause : nil
  }

  private func waitForTurn(_ request: APIRequest) async throws(SourceFailure) {
    do {
      try await limiter.acquire(patience: network.queuePatience)
    } catch {
      switch error {
      case .cancelled: throw .cancelled
      case .tooManyWaiting(let ahead):
        throw SourceFailure(
          .rateLimited, "\(request.subject): \(ahead) requests wait for \(name)'s rate_limit already; try again later")
      }
    }
  }

  private func once<Value: Sendable>(
    _ request: APIRequest, key: APIKey, left: Duration, log: Logger,
    judge: @Sendable (HTTPExchange, AnswerHead) async -> Result<Value, FailedTry>
  ) async -> Result<Value, FailedTry> {
    let rule = RedirectRule(purpose: request.purpose, origin: endpoint.base, allowsHTTP: endpoint.allowsHTTP)
    let started = clock.now()
    var address = request.address
    var withKey = true
    var hop = 0
    while true {
      if Task.isCancelled {
        return .failure(FailedTry(kind: .cancelled, text: "cancelled", billing: billing(after: hop)))
      }
      if connections.isShutDown {
        return .failure(FailedTry(kind: .unreachable, text: "shutting down", billing: billing(after: hop)))
      }
      let remaining = left - (clock.now() - started)
      let exchange = HTTPExchange(
        place: address.place, network: network, deadline: request.purpose == .call ? remaining : nil)
      let id = Self.requestID()
      let client = request.purpose == .download ? connections.downloads : connections.calls
      defer { connections.registry.remove(id: id) }
      let head: AnswerHead
      do {
        connections.registry.add(exchange, id: id)
        exchange.start(try httpRequest(request, at: address, key: withKey ? key : nil, id: id), on: client)
        head = try await exchange.head()
      } catch let fault as TransportFault {
        log.debug("no answer", metadata: ["request": "\(id)", "place": "\(address.place)", "reason": "\(fault.text)"])
        return .failure(failed(fault, request, hop: hop, requestLeft: exchange.requestLeft))
      } catch {
        return .failure(FailedTry(kind: .badAnswer, text: "can't make a request to \(address.place)"))
      }
      log.debug(
        "answer begun",
        metadata: ["request": "\(id)", "place": "\(address.place)", "status": "\(head.status)", "hop": "\(hop)"])
      guard RedirectRule.statuses.contains(head.status), request.method == .GET else {
        return await judge(exchange, head)
      }
      exchange.cancel()
      switch rule.verdict(from: address, location: head.location, hop: hop, keyStillAllowed: withKey) {
      case .refuse(let reason):
        return .failure(FailedTry(kind: .badAnswer, text: "\(address.place) answered with \(reason)"))
      case .follow(let next, let keyGoes):
        (address, withKey, hop) = (next, keyGoes, hop + 1)
      }
    }
  }
}

// MARK: Words and decisions that hold no state
extension SourceClient {
  /// What a try that got no answer means. A small call may always be made again. A download only when the request has
  /// certainly never left: not after a redirect either, for the API has then answered and may have charged.
  private func failed(
    _ fault: TransportFault, _ request: APIRequest, hop: Int, requestLeft: Bool
  ) -> FailedTry {
    let kind: SourceFailure.Kind =
      switch fault.kind {
      case .timedOut: .timedOut
      case .unreachable: .unreachable
      case .cancelled: .cancelled
      case .badAnswer: .badAnswer
      }
    let mayHaveBilled = request.purpose == .download && (requestLeft || hop > 0)
    let isRepeatable = fault.mayPass && fault.kind != .cancelled && !mayHaveBilled
    return FailedTry(
      kind: kind, text: fault.text, billing: mayHaveBilled ? .unknown : .notBilled,
      remedy: isRepeatable ? .pause(.passing) : .none)
  }

  private func billing(after hops: Int) -> SourceFailure.Billing { hops > 0 ? .unknown : .notBilled }

  private func named(_ failed: FailedTry, request: APIRequest, key: APIKey) -> SourceFailure {
    SourceFailure(
      failed.kind, "\(request.subject): \(Reason.clean(failed.text, hiding: key))", billing: failed.billing)
  }

  private func httpRequest(
    _ request: APIRequest, at address: WebAddress, key: APIKey?, id: String
  ) throws -> HTTPClient.Request {
    var headers: HTTPHeaders = [
      "User-Agent": "tollfs/0.1",
      "Accept": request.accept,
      // What is counted and checked are the bytes as they are sent; a zip does not shrink anyway.
      "Accept-Encoding": "identity",
      ExchangeRegistry.header: id,
    ]
    if let key { headers.add(name: "Authorization", value: key.secret) }
    return try HTTPClient.Request(url: address.text, method: request.method, headers: headers)
  }

  private static func requestID() -> String {
    let digits = String(UInt64.random(in: .min ... .max), radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
