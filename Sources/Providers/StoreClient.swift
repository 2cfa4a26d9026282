import AsyncHTTPClient
import Logging
import NIOHTTP1
import Tasks

/// The way to an object store: requests to signed addresses, without any key, and never HEAD, which a URL that is signed
/// for GET refuses.
final class StoreClient: Sendable {
  /// 1 MiB: a reader that decodes or writes in between finds the connection a few round trips ahead.
  static let highWater = 1 << 20

  private let connections: HTTPConnections
  private let network: NetworkSettings
  private let allowsHTTP: Bool
  private let logger: Logger

  init(connections: HTTPConnections, network: NetworkSettings, allowsHTTP: Bool, logger: Logger) {
    self.connections = connections
    self.network = network
    self.allowsHTTP = allowsHTTP
    self.logger = logger
  }

  struct Answer: Sendable {
    let exchange: HTTPExchange
    let head: AnswerHead
    /// Where redirects have led to.
    let address: WebAddress
  }

  /// Asks for bytes, and waits for the head of the answer.
  func get(_ url: SignedURL, _ range: StoreRange) async -> Result<Answer, StoreFailure> {
    let rule = RedirectRule(purpose: .download, origin: url.address, allowsHTTP: allowsHTTP)
    var address = url.address
    var hop = 0
    while true {
      let answer: Answer
      switch await send(address, range) {
      case .failure(let fault):
        let mayPass = fault.mayPass && fault.kind != .cancelled
        return .failure(
          StoreFailure(
            kind: fault.kind.failureKind, text: fault.text, remedy: mayPass ? .pause(.passing) : .none))
      case .success(let next): answer = next
      }
      guard RedirectRule.statuses.contains(answer.head.status) else { return .success(answer) }
      answer.exchange.cancel()
      switch rule.verdict(from: address, location: answer.head.location, hop: hop, keyStillAllowed: false) {
      case .refuse(let reason):
        return .failure(
          StoreFailure(kind: .badAnswer, text: "\(address.place) answered with \(reason)", remedy: .none))
      case .follow(let next, _): (address, hop) = (next, hop + 1)
      }
    }
  }

  private func send(_ address: WebAddress, _ range: StoreRange) async -> Result<Answer, TransportFault> {
    if Task.isCancelled { return .failure(.cancelled) }
    guard !connections.isShutDown else {
      return .failure(TransportFault(kind: .unreachable, text: "shutting down", mayPass: false))
    }
    let exchange = HTTPExchange(place: address.place, network: network, highWater: Self.highWater)
    let id = ExchangeRegistry.newID()
    connections.registry.add(exchange, id: id)
    defer { connections.registry.remove(id: id) }
    var log = logger
    log[metadataKey: "request"] = "\(id)"
    log[metadataKey: "place"] = "\(address.place)"
    log[metadataKey: "range"] = "\(range.header ?? "all")"
    do {
      exchange.start(try Self.request(address, range, id: id), on: connections.packages)
      let head = try await exchange.head()
      log.debug("store's answer begun", metadata: ["status": "\(head.status)"])
      return .success(Answer(exchange: exchange, head: head, address: address))
    } catch let fault as TransportFault {
      log.debug("no answer from the store", metadata: ["reason": "\(fault.text)"])
      return .failure(fault)
    } catch {
      return .failure(
        TransportFault(kind: .badAnswer, text: "can't make a request to \(address.place)", mayPass: false))
    }
  }

  private static func request(_ address: WebAddress, _ range: StoreRange, id: String) throws -> HTTPClient.Request {
    var headers: HTTPHeaders = [
      "User-Agent": "tollfs/0.1",
      "Accept": "*/*",
      // Places in a package are places in its own bytes.
      "Accept-Encoding": "identity",
      ExchangeRegistry.header: id,
    ]
    if let range = range.header { headers.add(name: "Range", value: range) }
    return try HTTPClient.Request(url: address.text, method: .GET, headers: headers)
  }
}
