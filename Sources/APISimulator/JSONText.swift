/// A JSON value that keeps the order of its members.
///
/// The answers repeat the API's pages to the letter, and `status.json` in the mount is compared byte for byte, so the order
/// of the keys is part of what is simulated; Foundation's encoders don't keep it.
indirect enum JSONText: Sendable, Equatable {
  case null
  case bool(Bool)
  case int(Int64)
  case double(Double)
  case string(String)
  case array([JSONText])
  case object([(String, JSONText)])

  static func == (left: JSONText, right: JSONText) -> Bool { left.text == right.text }

  /// The value without any white space between its tokens.
  var text: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .int(let value): String(value)
    case .double(let value): value.isFinite ? String(value) : "null"
    case .string(let value): Self.quoted(value)
    case .array(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
    case .object(let members):
      "{" + members.map { Self.quoted($0.0) + ":" + $0.1.text }.joined(separator: ",") + "}"
    }
  }

  var utf8: [UInt8] { Array(text.utf8) }

  /// The value over several lines, two spaces a level, for people.
  func indented(_ level: Int = 0) -> String {
    let (outer, inner) = (String(repeating: "  ", count: level), String(repeating: "  ", count: level + 1))
    switch self {
    case .array(let values) where !values.isEmpty:
      return "[\n" + values.map { inner + $0.indented(level + 1) }.joined(separator: ",\n") + "\n\(outer)]"
    case .object(let members) where !members.isEmpty:
      let lines = members.map { "\(inner)\(Self.quoted($0.0)): \($0.1.indented(level + 1))" }
      return "{\n" + lines.joined(separator: ",\n") + "\n\(outer)}"
    default: return text
    }
  }

  /// RFC 8259 section 7: quotation mark, reverse solidus and U+0000 to U+001F must be escaped, and nothing else need be.
  private static func quoted(_ string: String) -> String {
    var out = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case "\u{0}"..."\u{1f}":
        let hex = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}
