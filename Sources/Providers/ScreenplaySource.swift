import Logging
import Tasks

/// The Memories.ai screenplay API (APIS.md; `kind: memories-screenplay`).
///
/// It reads statuses and downloads results. It never submits and never cancels a task.
public final class ScreenplaySource: TaskSource {
  public let name: SourceName
  public let price: PricePerGigabyte
  public let taskDepth = 1
  /// The API has no list call.
  public let canList = false

  private let endpoint: EndpointURL
  private let network: NetworkSettings
  private let client: SourceClient

  public convenience init(
    settings: SourceSettings, key: any KeyProvider, network: NetworkSettings, connections: HTTPConnections,
    logger: Logger
  ) {
    self.init(
      settings: settings, key: key, network: network, connections: connections, logger: logger, clock: .system)
  }

  init(
    settings: SourceSettings, key: any KeyProvider, network: NetworkSettings, connections: HTTPConnections,
    logger: Logger, clock: SourceClock
  ) {
    name = settings.name
    price = settings.price
    endpoint = settings.endpoint
    self.network = network
    client = SourceClient(
      settings: settings, key: key, network: network, connections: connections, logger: logger, clock: clock)
  }

  /// Always empty: the task ids come from the user.
  public func children(of group: [String]) async throws(SourceFailure) -> [TaskListing] { [] }

  public func status(of task: TaskPath) async throws(SourceFailure) -> TaskStatus {
    let id = try id(of: task)
    let request = APIRequest(
      method: .GET, address: endpoint.address("screenplay", "tasks", id), accept: "application/json", purpose: .call,
      subject: "status of \(task)")
    return try await client.perform(request) { exchange, head in
      switch await exchange.body(atMost: ScreenplayAnswer.longestJSON) {
      case .failure(let fault): return .failure(FailedTry(broken: fault, billing: .notBilled, isRepeatable: true))
      case .success(let body):
        return ScreenplayAnswer.status(head, body, taskID: id)
          .mapError { FailedTry($0, head: head, repeating: [.rateLimited, .badAnswer]) }
      }
    }
  }

  /// - Throws: see ``TaskSource/download(_:)``. Repeated are only tries that were certainly not billed: those whose
  ///   request never left, and those that the API answered with 429.
  public func download(_ task: TaskPath) async throws(SourceFailure) -> any ByteStream {
    let id = try id(of: task)
    let request = APIRequest(
      method: .GET, address: endpoint.address("screenplay", "tasks", id, "download"), accept: "application/zip",
      purpose: .download, subject: "download of \(task)")
    return try await client.perform(request) { [network] exchange, head in
      await Self.archive(exchange, head, subject: request.subject, network: network)
    }
  }

  private func id(of task: TaskPath) throws(SourceFailure) -> String {
    guard task.source == name, task.ids.count == taskDepth else {
      throw SourceFailure(.noSuchTask, "\(task) is not a task of \(name)")
    }
    return task.id
  }

  private static func archive(
    _ exchange: HTTPExchange, _ head: AnswerHead, subject: String, network: NetworkSettings
  ) async -> Result<ArchiveStream, FailedTry> {
    if (200...299).contains(head.status) {
      switch await exchange.firstBytes(4) {
      case .failure(let fault): return .failure(FailedTry(broken: fault, billing: .unknown, isRepeatable: false))
      case .success(let start):
        if ScreenplayAnswer.isArchive(start) {
          return .success(ArchiveStream(exchange, start: start, length: head.contentLength, subject: subject))
        }
        return .failure(await refusal(exchange, head, start: start, network: network))
      }
    }
    return .failure(await refusal(exchange, head, start: [], network: network))
  }

  private static func refusal(
    _ exchange: HTTPExchange, _ head: AnswerHead, start: [UInt8], network: NetworkSettings
  ) async -> FailedTry {
    // An error message has no business to take longer than a whole call.
    exchange.limit(to: network.callDeadline)
    switch await exchange.body(after: start, atMost: ScreenplayAnswer.longestJSON) {
    case .success(let body):
      return FailedTry(ScreenplayAnswer.notAnArchive(head, body), head: head, repeating: [.rateLimited])
    case .failure(let fault):
      // The head alone tells what can be told; an unread body is no envelope.
      let refusal = ScreenplayAnswer.notAnArchive(head, [])
      guard fault.kind == .cancelled else { return FailedTry(refusal, head: head, repeating: []) }
      return FailedTry(broken: fault, billing: refusal.billing, isRepeatable: false)
    }
  }
}
