import Tasks

/// Reads Pixxel's answers. Pure: status and body in, meaning out.
enum PixxelAnswer {
  /// 16 MiB: a task's entry has some hundred bytes, and a job may have thousands of tasks.
  static let longestJSON = 16 << 20

  /// A page of workflows.
  struct Page: Hashable, Sendable {
    var entries: [TaskListing]
    /// How many the page had, those included that can't be read.
    var count: Int
    /// How many there are in all, where the answer says so.
    var total: Int?
  }

  /// What a request to have a package made ready came to.
  struct Preparation: Hashable, Sendable {
    /// As it came; empty when the answer has none.
    var state: String
    var signedURL: String?
  }

  static func workflows(_ head: AnswerHead, _ body: [UInt8]) -> Result<Page, Refusal> {
    read(head, body).flatMap { envelope in
      entries("workflows", body, orEmptyIf: envelope.total != nil).map { list in
        Page(entries: list.compactMap(\.self), count: list.count, total: envelope.total)
      }
    }
  }

  static func jobs(_ head: AnswerHead, _ body: [UInt8]) -> Result<[TaskListing], Refusal> {
    read(head, body).flatMap { _ in entries("jobs", body, orEmptyIf: false).map { $0.compactMap(\.self) } }
  }

  /// The tasks of a job. A job without any may well be written without the key.
  static func tasks(_ head: AnswerHead, _ body: [UInt8], job: String) -> Result<[TaskListing], Refusal> {
    read(head, body).flatMap { envelope in
      if let answered = envelope.id, answered != job {
        return .failure(Refusal(kind: .badAnswer, text: "an answer about another job, \(answered)"))
      }
      return entries("tasks", body, orEmptyIf: envelope.id != nil).map { $0.compactMap(\.self) }
    }
  }

  static func preparation(_ head: AnswerHead, _ body: [UInt8]) -> Result<Preparation, Refusal> {
    read(head, body).flatMap { envelope in
      let url = envelope.signedURL.flatMap { $0.isEmpty ? nil : $0 }
      guard let state = envelope.status ?? url.map({ _ in "" }) else {
        return .failure(Refusal(kind: .badAnswer, text: "an answer with neither a status nor a signed_url"))
      }
      return .success(Preparation(state: state, signedURL: url))
    }
  }

  // MARK: What all answers have in common

  private static func read(_ head: AnswerHead, _ body: [UInt8]) -> Result<PixxelEnvelope, Refusal> {
    let envelope = LooseJSON.decode(PixxelEnvelope.self, from: body)
    let isOK = (200...299).contains(head.status)
    guard let envelope else { return .failure(refusal(head, nil)) }
    // An empty error in a good answer is how some servers write that there is none.
    if isOK, envelope.error.map({ $0 == PixxelEnvelope.Failure() }) ?? true { return .success(envelope) }
    return .failure(refusal(head, envelope.error))
  }

  private static func refusal(_ head: AnswerHead, _ error: PixxelEnvelope.Failure?) -> Refusal {
    guard let error else {
      let isOK = (200...299).contains(head.status)
      let type = head.contentType ?? "no content type"
      let text = isOK ? "an answer that is not the API's JSON (\(type))" : "HTTP \(head.status) without the API's JSON"
      var refusal = Refusal.byCode([head.status], text: text)
      // A gateway or a wrong endpoint says this of everything.
      if [400, 403, 404, 410].contains(head.status) { refusal.mayMeanAbsence = true }
      return refusal
    }
    let codes = "HTTP \(head.status), code \(error.code ?? "missing")"
    let text = error.message.map { "\"\($0)\" (\(codes))" } ?? codes
    let number = (200...299).contains(head.status) ? error.code.flatMap { Int($0) } ?? head.status : head.status
    if number == 404 || number == 410 { return Refusal(kind: .noSuchTask, text: text) }
    var refusal = Refusal.byCode([number], text: text)
    refusal.mayMeanAbsence = [400, 403, 409, 422].contains(number)
    return refusal
  }

  /// The entries of a list; nil for one that can't be read.
  private static func entries(
    _ key: String, _ body: [UInt8], orEmptyIf isComplete: Bool
  ) -> Result<[TaskListing?], Refusal> {
    switch JSONSlicer.elements(of: key, in: body) {
    // Null is how some servers write an empty list.
    case .other?: return .success([])
    case .missing? where isComplete: return .success([])
    case .elements(let ranges)?: return .success(ranges.map { PixxelEntry.decode(body[$0])?.listing })
    case .missing?, nil: return .failure(Refusal(kind: .badAnswer, text: "an answer without \(key)"))
    }
  }
}

/// What is looked for in every answer of Pixxel's, beside its lists.
struct PixxelEnvelope: Decodable, Hashable, Sendable {
  struct Failure: Decodable, Hashable, Sendable {
    var code: String?
    var message: String?
  }

  var id: String?
  var status: String?
  var signedURL: String?
  var total: Int?
  var error: Failure?

  private enum Key: String, CodingKey {
    case id, status, pagination, error
    case signedURL = "signed_url"
    case total
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Key.self)
    id = fields.looseText(.id)
    status = fields.looseText(.status)
    signedURL = fields.looseText(.signedURL)
    if let pagination = try? fields.nestedContainer(keyedBy: Key.self, forKey: .pagination) {
      total = pagination.looseText(.total).flatMap { Int($0) }
    }
    error = try? fields.decodeIfPresent(Failure.self, forKey: .error)
    // `"error": "text"` for good measure; an empty one is none.
    if error == nil, let text = fields.looseText(.error), !text.isEmpty { error = Failure(code: nil, message: text) }
  }
}

extension PixxelEnvelope.Failure {
  private enum Key: String, CodingKey {
    case code, message
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Key.self)
    code = fields.looseText(.code)
    message = fields.looseText(.message)
  }
}
