import NIOHTTP1
import Tasks

// MARK: The calls behind the lists
extension PixxelSource {
  /// As the API's own pages ask for them (APIS.md).
  static let pageSize = 50
  /// 20,000 workflows, which take more than a minute at the usual rate limit.
  static let mostPages = 400

  /// Asks the API for what is below a group, unusable ids included.
  func ask(_ group: [String]) async throws(SourceFailure) -> [TaskListing] {
    do {
      switch group.count {
      case 0: return try await workflows()
      case 1: return try await call(["v0", "workflows", group[0], "jobs"], group) { PixxelAnswer.jobs($0, $1) }
      default:
        return try await call(["v0", "workflows", group[0], "jobs", group[1]], group) {
          PixxelAnswer.tasks($0, $1, job: group[1])
        }
      }
    } catch {
      throw await meaning(of: error, group: group)
    }
  }

  private func workflows() async throws(FailedCall) -> [TaskListing] {
    var paging = Paging()
    while let offset = paging.next {
      let query = "?offset=\(offset)&limit=\(Self.pageSize)"
      let page = try await call(["v0", "workflows"], query: query, []) { PixxelAnswer.workflows($0, $1) }
      paging.take(page)
    }
    guard !paging.isCutOff else {
      // A list that is silently too short would look as if the rest had been deleted.
      let text = "workflows of \(name): more than \(Self.mostPages) pages"
      throw FailedCall(failure: SourceFailure(.badAnswer, text))
    }
    return paging.entries
  }

  private func call<Value: Sendable>(
    _ path: [String], query: String = "", _ group: [String],
    read: @escaping @Sendable (AnswerHead, [UInt8]) -> Result<Value, Refusal>
  ) async throws(FailedCall) -> Value {
    try await call(.GET, path, query: query, subject: "list of \(Self.path(name, group))", read: read)
  }

  func call<Value: Sendable>(
    _ method: HTTPMethod, _ path: [String], query: String = "", subject: String,
    read: @escaping @Sendable (AnswerHead, [UInt8]) -> Result<Value, Refusal>
  ) async throws(FailedCall) -> Value {
    let address = endpoint.address(path)
    let request = APIRequest(
      method: method, address: address.with(target: address.target + query), accept: "application/json",
      purpose: .call, subject: subject)
    return try await client.attempt(request) { exchange, head in
      switch await exchange.body(atMost: PixxelAnswer.longestJSON) {
      case .failure(let fault): return .failure(FailedTry(broken: fault, billing: .notBilled, isRepeatable: true))
      case .success(let body):
        return read(head, body).mapError { FailedTry($0, head: head, repeating: [.rateLimited, .badAnswer]) }
      }
    }
  }

  /// What a failed call about a group (or a task) means. Where the API may mean "no such thing", the list that it would
  /// be in decides; when that can't be had, the failure stays what it is: "can't reach" is never "does not exist".
  func meaning(of failed: FailedCall, group: [String]) async -> SourceFailure {
    let failure = failed.failure
    guard let id = group.last else {
      // The source itself exists by configuration.
      return failure.kind == .noSuchTask
        ? SourceFailure(.badAnswer, failure.reason + "; is the endpoint right?") : failure
    }
    guard failed.mayMeanAbsence else { return failure }
    do {
      let siblings = try await list(Array(group.dropLast()))
      if siblings.contains(where: { $0.id == id }) { return failure }
      return SourceFailure(.noSuchTask, "\(Self.path(name, group)) does not exist: \(failure.reason)")
    } catch {
      return error.kind == .noSuchTask || error.kind == .cancelled ? error : failure
    }
  }
}

/// Walks through the pages of a list. Pure.
///
/// The total is believed while it can be true; without one, the list ends with a page that brings nothing new, which is
/// also how a server that ignores the offset is noticed.
struct Paging: Hashable, Sendable {
  private(set) var entries: [TaskListing] = []
  private(set) var isCutOff = false
  private var known: Set<String> = []
  private var taken = 0
  private var pages = 0
  private var isComplete = false

  /// The offset to ask for, or nil at the end.
  var next: Int? { isComplete || isCutOff ? nil : taken }

  mutating func take(_ page: PixxelAnswer.Page) {
    let new = page.entries.filter { known.insert($0.id).inserted }
    entries += new
    taken += page.count
    pages += 1
    isComplete = new.isEmpty || page.total == taken
    isCutOff = !isComplete && pages >= PixxelSource.mostPages
  }
}
