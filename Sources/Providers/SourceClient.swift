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
  /// See ``Refusal/mayMeanAbsence``.
  var mayMeanAbsence = false
}

/// A call that is given up: the failure for the caller, and what a source may still find out about it.
struct FailedCall: Error, Sendable {
  let failure: SourceFailure
  var mayMeanAbsence = false
}

/// One source's way to its API: key, rate limit, redirects, deadlines and repeats. Knows no API's answers.
final class SourceClient: Sendable {
  let name: SourceName
  private let endpoint: EndpointURL
  private let authorization: KeyAuthorization
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
    authorization = settings.authorization
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
    do {
      return try await attempt(request, judge: judge)
    } catch {
      throw error.failure
    }
  }

  /// The same, for those who want to know more of a failure.
  func attempt<Value: Sendable>(
    _ request: APIRequest,
    judge: @Sendable (HTTPExchange, AnswerHead) async -> Result<Value, FailedTry>
  ) async throws(FailedCall) -> Value {
    var log = logger
    log[metadataKey: "source"] = "\(name)"
    log[metadataKey: "subject"] = "\(request.subject)"
    let started = clock.now()
    var repeats = 0
    var triedAnotherKey = false
    while true {
      let key = try await keyInTurn(request)
      let left = network.callDeadline - (clock.now() - started)
      let failed: FailedTry
      switch await once(request, key: key, left: left, log: log, judge: judge) {
      case .success(let value): return value
      case .failure(let failure): failed = failure
      }
      let failure = FailedCall(
        failure: named(failed, request: request, key: key), mayMeanAbsence: failed.mayMeanAbsence)
      switch failed.remedy {
      case .none: throw failure
      case .anotherKey:
        guard !triedAnotherKey, try await isReplaced(key) else { throw failure }
        triedAnotherKey = true
        log.debug("key refused, trying with another one")
      case .pause(let cause):
        guard let pause = nextPause(cause, repeats: repeats, started: started) else { throw failure }
        log.debug("waiting before a repeat", metadata: ["pause": "\(pause)", "repeat": "\(repeats + 1)"])
        if case .rateLimited = cause { limiter.pause(for: pause) }
        await clock.sleep(pause)
        if Task.isCancelled { throw FailedCall(failure: .cancelled) }
        repeats += 1
      }
    }
  }

  private func keyInTurn(_ request: APIRequest) async throws(FailedCall) -> APIKey {
    do {
      try await waitForTurn(request)
      return try await keys.key()
    } catch {
      throw FailedCall(failure: error)
    }
  }

  private func isReplaced(_ key: APIKey) async throws(FailedCall) -> Bool {
    do {
      return try await keys.replace(refused: key)
    } catch {
      throw FailedCall(failure: error)
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

  /// Where a chain of redirects has come to.
  private struct Hop {
    var address: WebAddress
    var withKey = true
    var number = 0
  }

  private func once<Value: Sendable>(
    _ request: APIRequest, key: APIKey, left: Duration, log: Logger,
    judge: @Sendable (HTTPExchange, AnswerHead) async -> Result<Value, FailedTry>
  ) async -> Result<Value, FailedTry> {
    let rule = RedirectRule(purpose: request.purpose, origin: endpoint.base, allowsHTTP: endpoint.allowsHTTP)
    let started = clock.now()
    var hop = Hop(address: request.address)
    while true {
      let remaining = left - (clock.now() - started)
      let exchange: HTTPExchange
      let head: AnswerHead
      switch await send(request, hop, key: key, left: remaining, log: log) {
      case .failure(let failure): return .failure(failure)
      case .success(let answer): (exchange, head) = answer
      }
      guard RedirectRule.statuses.contains(head.status), request.method == .GET else {
        let result = await judge(exchange, head)
        return hop.withKey ? result : result.mapError { $0.fromElsewhere(request.purpose) }
      }
      exchange.cancel()
      let place = hop.address.place
      switch rule.verdict(from: hop.address, location: head.location, hop: hop.number, keyStillAllowed: hop.withKey) {
      case .refuse(let reason):
        // A redirect is no refusal: whoever sends one may well have charged.
        return .failure(
          FailedTry(
            kind: .badAnswer, text: "\(place) answered with \(reason)",
            billing: request.purpose == .download ? .unknown : .notBilled))
      case .follow(let next, let keyGoes):
        hop = Hop(address: next, withKey: keyGoes, number: hop.number + 1)
      }
    }
  }

  /// Makes one request and waits for the head of its answer.
  private func send(
    _ request: APIRequest, _ hop: Hop, key: APIKey, left: Duration, log: Logger
  ) async -> Result<(HTTPExchange, AnswerHead), FailedTry> {
    let place = hop.address.place
    let exchange = HTTPExchange(place: place, network: network, deadline: request.purpose == .call ? left : nil)
    if Task.isCancelled { return .failure(failed(.cancelled, request, hop, requestLeft: false)) }
    guard !connections.isShutDown else {
      let fault = TransportFault(kind: .unreachable, text: "shutting down", mayPass: false)
      return .failure(failed(fault, request, hop, requestLeft: false))
    }
    let id = ExchangeRegistry.newID()
    connections.registry.add(exchange, id: id)
    defer { connections.registry.remove(id: id) }
    do {
      let client = request.purpose == .download ? connections.downloads : connections.calls
      exchange.start(try httpRequest(request, at: hop.address, key: hop.withKey ? key : nil, id: id), on: client)
      let head = try await exchange.head()
      if hop.withKey, let date = head.date { connections.serverTime.observe(date) }
      log.debug("answer begun", metadata: ["request": "\(id)", "place": "\(place)", "status": "\(head.status)"])
      return .success((exchange, head))
    } catch let fault as TransportFault {
      log.debug("no answer", metadata: ["request": "\(id)", "place": "\(place)", "reason": "\(fault.text)"])
      return .failure(failed(fault, request, hop, requestLeft: exchange.requestLeft))
    } catch {
      return .failure(FailedTry(kind: .badAnswer, text: "can't make a request to \(place)"))
    }
  }
}

extension FailedTry {
  /// The same from a server that a redirect led to. It is not the API: it can't speak for tasks, keys and balances, and
  /// what it refuses, the API that sent us there may have charged.
  func fromElsewhere(_ purpose: RedirectRule.Purpose) -> FailedTry {
    let isTransport = [.timedOut, .unreachable, .cancelled].contains(kind)
    return FailedTry(
      kind: isTransport ? kind : .badAnswer, text: text, billing: purpose == .download ? .unknown : .notBilled)
  }
}

// MARK: Words and decisions that hold no state
extension SourceClient {
  /// What a try that got no answer means. A small call may always be made again. A download only when the request has
  /// certainly never left: not after a redirect either, for the API has then answered and may have charged.
  private func failed(
    _ fault: TransportFault, _ request: APIRequest, _ hop: Hop, requestLeft: Bool
  ) -> FailedTry {
    let mayHaveBilled = request.purpose == .download && (requestLeft || hop.number > 0)
    let isRepeatable = fault.mayPass && fault.kind != .cancelled && !mayHaveBilled
    return FailedTry(
      kind: fault.kind.failureKind, text: fault.text, billing: mayHaveBilled ? .unknown : .notBilled,
      remedy: isRepeatable ? .pause(.passing) : .none)
  }

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
    if let key { headers.add(name: "Authorization", value: authorization.header(key)) }
    return try HTTPClient.Request(url: address.text, method: request.method, headers: headers)
  }
}
