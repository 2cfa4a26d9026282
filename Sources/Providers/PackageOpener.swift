import Logging
import Tasks

/// A body that a store has begun to send, and that has passed every check of its head.
struct PackageOpening: Sendable {
  let exchange: HTTPExchange
  let answer: StoreAnswer
  let name: String?
}

/// Opens bodies at a package's store: asks again, with pauses, for what may pass, and renews the address as needed.
final class PackageOpener: Sendable {
  let subject: String
  let address: PackageAddress
  private let store: StoreClient
  private let network: NetworkSettings
  private let clock: SourceClock
  private let logger: Logger

  init(
    subject: String, address: PackageAddress, store: StoreClient, network: NetworkSettings, clock: SourceClock,
    logger: Logger
  ) {
    self.subject = subject
    self.address = address
    self.store = store
    self.network = network
    self.clock = clock
    self.logger = logger
  }

  enum Outcome: Sendable {
    case open(PackageOpening)
    /// The store knows no suffix ranges; and the total, if it told.
    case needsPlace(total: UInt64?)
  }

  /// - Parameters:
  ///   - range: `.last` may come to `.needsPlace`, all others never do.
  ///   - known: what the answer must agree with.
  func open(
    _ range: StoreRange, known: KnownContent, patience: inout StorePatience
  ) async throws(SourceFailure) -> Outcome {
    let started = clock.now()
    var refused: Int?
    while true {
      let lease = try await address.lease(refused: refused)
      refused = nil
      let failure: StoreFailure
      switch await once(range, known, lease) {
      case .success(let opening): return .open(opening)
      case .failure(let reason): failure = reason
      }
      if case .withoutSuffix(let total) = failure.remedy { return .needsPlace(total: total) }
      switch patience.step(after: failure.remedy, hasEnded: lease.hasEnded(clock.now())) {
      case .giveUp: throw named(failure)
      case .renew:
        logger.debug("address refused, asking for another one", metadata: ["subject": "\(subject)"])
        refused = lease.generation
      case .again(let pause):
        // As with a call: a pause that leaves no time for the request after it would be waited for in vain.
        guard clock.now() - started + pause < network.callDeadline else { throw named(failure) }
        if pause > .zero { await clock.sleep(pause) }
        if Task.isCancelled { throw .cancelled }
      }
    }
  }

  /// To be slept between a break and the request for the rest.
  func sleep(_ pause: Duration) async throws(SourceFailure) {
    if pause > .zero { await clock.sleep(pause) }
    if Task.isCancelled { throw .cancelled }
  }

  func newPatience() -> StorePatience { StorePatience(RetryPolicy(repeats: network.retries)) }

  private func once(
    _ range: StoreRange, _ known: KnownContent, _ lease: PackageLease
  ) async -> Result<PackageOpening, StoreFailure> {
    let answer: StoreClient.Answer
    switch await store.get(lease.url, range) {
    case .failure(let failure): return .failure(failure)
    case .success(let begun): answer = begun
    }
    switch StoreAnswer.judge(answer.head, asked: range, known: known, mark: lease.mark) {
    case .failure(let failure):
      await discard(answer)
      return .failure(
        StoreFailure(kind: failure.kind, text: "\(failure.text) (\(answer.address.place))", remedy: failure.remedy))
    case .success(let judged):
      // An empty content is refused with a body of the server's own.
      if judged.part?.isEmpty == true { await discard(answer) }
      let name = PackageName.of(disposition: answer.head.contentDisposition, address: answer.address)
      return .success(PackageOpening(exchange: answer.exchange, answer: judged, name: name))
    }
  }

  /// Reads away the short body of a refusal, so that the next request finds the connection open; a long one is cut off.
  private func discard(_ answer: StoreClient.Answer) async {
    guard let length = answer.head.contentLength, length <= 16 << 10, answer.head.status >= 400 else {
      answer.exchange.cancel()
      return
    }
    answer.exchange.limit(to: .seconds(2))
    if case .failure = await answer.exchange.body(atMost: 16 << 10) { answer.exchange.cancel() }
  }

  private func named(_ failure: StoreFailure) -> SourceFailure {
    failure.kind == .cancelled ? .cancelled : SourceFailure(failure.kind, "\(subject): \(failure.text)")
  }
}
