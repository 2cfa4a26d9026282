/// The texts of the API's pages, to the letter.
enum ScreenplayText {
  static func notFound(_ id: String) -> String { "Task not found for id: \(id)" }
  static func notCompleted(_ status: String) -> String { "Task is not completed yet, current status: \(status)" }
  static let noResultData = "No result data available for this task."
  static let noFiles = "No downloadable files found for this task."
  static let insufficientBalance = "Insufficient balance to download the resource. Please recharge and try again."
  // The pages give no text for these; the codes are documented (400, 401, 405, 429, 5xx).
  static let unauthorized = "Unauthorized: the API key is missing or invalid."
  static let tooManyRequests = "Too many requests. Please try again later."
  static let noSuchPath = "No such path."
  static let notCancellable = "Task has already ended and can't be cancelled."

  /// What a status says that a fault has asked for without a text.
  static func generic(_ status: Int) -> String {
    switch status {
    case 401: unauthorized
    case 402: insufficientBalance
    case 403: "Forbidden."
    case 429: tooManyRequests
    case 500...: "Internal server error."
    default: "Bad request."
    }
  }
}

/// The envelope around every JSON answer, with its keys in the order of the API's example.
struct Envelope: Equatable {
  enum Code: Equatable {
    case number(Int)
    case text(String)
  }

  var code: Code
  var message: String
  var data: JSONText
  var succeeded: Bool

  static func success(_ data: JSONText) -> Self {
    Self(code: .number(200), message: "success", data: data, succeeded: true)
  }

  static func failure(_ status: Int, _ message: String) -> Self {
    Self(code: .number(status), message: message, data: .null, succeeded: false)
  }

  var json: JSONText {
    let code: JSONText =
      switch self.code {
      case .number(let number): .int(Int64(number))
      case .text(let text): .string(text)
      }
    return .object([
      ("code", code), ("msg", .string(message)), ("data", data), ("failed", .bool(!succeeded)),
      ("success", .bool(succeeded)),
    ])
  }

  /// The answer to "Get Task Status". `progress` is there only while running, `error_code` and `error_message` only when failed.
  static func status(of id: String, _ state: TaskState) -> Self {
    var data: [(String, JSONText)] = [("task_id", .string(id)), ("status", .string(state.word))]
    switch state {
    case .running(let completed, let total):
      data.append(
        (
          "progress",
          .object([("total_episodes", .int(Int64(total))), ("completed_episodes", .int(Int64(completed)))])
        ))
    case .failed(let code, let message):
      data += [("error_code", .string(code)), ("error_message", .string(message))]
    case .pending, .completed, .cancelled: break
    }
    return .success(.object(data))
  }
}
