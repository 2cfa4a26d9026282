import FoundationEssentials

/// The JSON around every small answer of the screenplay API: `{"code", "msg", "data", "success", "failed"}`.
///
/// Read liberally (APIS.md, "Envelope"): codes are numbers or strings, anything may be missing, and what is of another
/// type than documented counts as missing.
struct ScreenplayEnvelope: Decodable, Hashable, Sendable {
  struct Payload: Decodable, Hashable, Sendable {
    var taskID: String?
    var status: String?
    var errorCode: String?
    var errorMessage: String?
    var totalEpisodes: Int?
    var completedEpisodes: Int?
  }

  var code: String?
  var message: String?
  var success: Bool?
  var failed: Bool?
  var data: Payload?

  /// Nil when the bytes are not a JSON object. The decoder refuses nesting beyond 512 levels by itself.
  static func decode(_ body: [UInt8]) -> ScreenplayEnvelope? {
    LooseJSON.decode(ScreenplayEnvelope.self, from: body)
  }

  /// Whether the object has anything of an envelope. A gateway's error page in JSON has not.
  var isEnvelope: Bool { code != nil || success != nil || failed != nil }

  /// The code as a number, where it is one: `"0000"` is 0.
  var number: Int? { code.flatMap { Int($0) } }

  /// What the flags say, failure first; without flags, what the code says; nil when nothing is said.
  var saysSuccess: Bool? {
    if failed == true || success == false { return false }
    if success == true || failed == false { return true }
    return code.map { _ in number.map { $0 == 0 || (200...299).contains($0) } ?? false }
  }
}

extension ScreenplayEnvelope {
  private enum Key: String, CodingKey {
    case code, msg, message, success, failed, data
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Key.self)
    code = fields.looseText(.code)
    message = fields.looseText(.msg) ?? fields.looseText(.message)
    success = fields.looseBool(.success)
    failed = fields.looseBool(.failed)
    data = try? fields.decodeIfPresent(Payload.self, forKey: .data)
    if message == nil { message = try? fields.decodeIfPresent(String.self, forKey: .data) }
  }
}

extension ScreenplayEnvelope.Payload {
  private enum Key: String, CodingKey {
    case taskID = "task_id"
    case status, progress
    case errorCode = "error_code"
    case errorMessage = "error_message"
  }

  private enum ProgressKey: String, CodingKey {
    case total = "total_episodes"
    case completed = "completed_episodes"
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Key.self)
    taskID = fields.looseText(.taskID)
    status = fields.looseText(.status)
    errorCode = fields.looseText(.errorCode)
    errorMessage = fields.looseText(.errorMessage)
    if let progress = try? fields.nestedContainer(keyedBy: ProgressKey.self, forKey: .progress) {
      totalEpisodes = progress.looseText(.total).flatMap { Int($0) }
      completedEpisodes = progress.looseText(.completed).flatMap { Int($0) }
    }
  }
}
