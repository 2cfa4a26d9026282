/// The failures of the store, in the form in which S3 gives them: a status and a code in XML.
struct StoreFailure: Equatable {
  var status: Int
  var code: String
  var message: String
  /// Further elements.
  var details: [String: String] = [:]

  static let noSignature = Self(status: 403, code: "AccessDenied", message: "Access Denied")
  static let wrongSignature = Self(
    status: 403, code: "SignatureDoesNotMatch",
    message: "The signature of the request is not the one that was given out for this address.")
  static let badMethod = Self(
    status: 405, code: "MethodNotAllowed", message: "This method is not allowed on this resource.")
  static let precondition = Self(
    status: 412, code: "PreconditionFailed", message: "A precondition of the request does not hold.")
  static let invalidRange = Self(status: 416, code: "InvalidRange", message: "The range lies outside the object.")

  static func expired(_ moment: Moment, lifetime: Int64, now: Moment) -> Self {
    Self(
      status: 403, code: "AccessDenied", message: "Request has expired",
      details: ["Expires": moment.iso, "ServerTime": now.iso, "X-Amz-Expires": String(lifetime)])
  }

  /// What a fault gives that asks for a status alone.
  static func generic(_ status: Int, _ message: String?) -> Self {
    let (code, text): (String, String) =
      switch status {
      case 403: ("AccessDenied", "Access Denied")
      case 404: ("NoSuchKey", "There is no such object.")
      case 429, 503: ("SlowDown", "Please reduce your request rate.")
      case 500...: ("InternalError", "An internal error occurred. Please try again.")
      default: ("InvalidRequest", "The request is not valid.")
      }
    return Self(status: status, code: code, message: message ?? text)
  }

  func xml(request: Int) -> [UInt8] {
    let elements =
      [("Code", code), ("Message", message)] + details.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
      + [("RequestId", String(request))]
    let inside = elements.map { "<\($0.0)>\(Self.escaped($0.1))</\($0.0)>" }.joined()
    return Array("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\(inside)</Error>".utf8)
  }

  private static func escaped(_ text: String) -> String {
    var out = ""
    for character in text {
      switch character {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      default: out.append(character)
      }
    }
    return out
  }
}
