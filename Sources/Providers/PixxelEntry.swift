import Tasks

/// One workflow, job or task in a list of Pixxel's.
struct PixxelEntry: Decodable, Hashable, Sendable {
  let id: String
  let name: String?
  let state: String?
  let stateMessage: String?
  /// 0...100.
  let progress: Double?
  let errorMessage: String?
  let failureType: String?
  /// The entry, byte for byte.
  private(set) var raw: [UInt8] = []

  private enum Key: String, CodingKey {
    case id, name, status, progress
    case stateMessage = "state_msg"
    case errorMessage = "err_msg"
    case failureType = "failure_type"
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Key.self)
    let text = { (key: Key) in fields.looseText(key).flatMap { $0.isEmpty ? nil : $0 } }
    guard let id = text(.id) else {
      throw DecodingError.keyNotFound(Key.id, .init(codingPath: [], debugDescription: "an entry without an id"))
    }
    self.id = id
    name = text(.name)
    state = text(.status)
    stateMessage = text(.stateMessage)
    progress = fields.looseNumber(.progress).flatMap { $0.isFinite ? min(100, max(0, $0)) : nil }
    errorMessage = text(.errorMessage)
    failureType = text(.failureType)
  }

  /// Nil for what is no object with an id: nothing could be named by it.
  static func decode(_ bytes: ArraySlice<UInt8>) -> PixxelEntry? {
    guard var entry = LooseJSON.decode(PixxelEntry.self, from: bytes) else { return nil }
    entry.raw = Array(bytes)
    return entry
  }

  var listing: TaskListing { TaskListing(id: id, name: name, status: status) }

  private var status: TaskStatus? {
    guard let word = state else { return nil }
    let state = Self.state(Reason.clean(word))
    let wentWrong = state == .failed || state == .cancelled
    return TaskStatus(
      state: state, progress: progress.map { .percent($0) },
      // A type is also given, as a default, to what did not fail.
      errorCode: wentWrong || errorMessage != nil ? failureType : nil,
      errorMessage: errorMessage ?? (state == .failed ? stateMessage : nil),
      name: name, raw: raw)
  }

  /// The API lists no words (APIS.md), so those are taken, too, that others use for the five states.
  static func state(_ word: String) -> TaskState {
    let plain = word.lowercased().map { $0 == " " || $0 == "-" ? "_" : $0 }
    return words[String(plain)] ?? TaskState(word: word)
  }

  private static let words: [String: TaskState] = {
    let meanings: [(TaskState, [String])] = [
      (.completed, ["complete", "succeeded", "success", "successful", "finished", "done"]),
      (.failed, ["fail", "error", "errored", "failure"]),
      (.cancelled, ["canceled", "aborted", "terminated"]),
      (.pending, ["queued", "created", "scheduled", "waiting", "submitted"]),
      (.running, ["in_progress", "processing", "started", "executing"]),
    ]
    return Dictionary(
      meanings.flatMap { state, words in words.map { ($0, state) } }, uniquingKeysWith: { first, _ in first })
  }()
}
