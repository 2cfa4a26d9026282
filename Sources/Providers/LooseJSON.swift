import FoundationEssentials

/// Reading JSON of APIs that are documented in parts: what is of another type than expected counts as missing.
enum LooseJSON {
  /// Nil when the bytes are not a JSON object. The decoder refuses nesting beyond 512 levels by itself.
  static func decode<Value: Decodable>(_ type: Value.Type, from body: some Collection<UInt8>) -> Value? {
    guard body.first(where: { !isSpace($0) }) == UInt8(ascii: "{") else { return nil }
    return try? JSONDecoder().decode(type, from: Data(body))
  }

  static func isSpace(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0a, 0x0d].contains(byte) }
}

extension KeyedDecodingContainer {
  /// A string, or a whole number in its decimal form.
  func looseText(_ key: Key) -> String? {
    if let text = try? decodeIfPresent(String.self, forKey: key) { return text }
    return (try? decodeIfPresent(Int.self, forKey: key)).map { String($0) }
  }

  /// A number, also as the text of one, with or without a percent sign.
  func looseNumber(_ key: Key) -> Double? {
    if let number = try? decodeIfPresent(Double.self, forKey: key) { return number }
    guard let text = try? decodeIfPresent(String.self, forKey: key) else { return nil }
    return Double(text.filter { $0 != " " && $0 != "%" })
  }

  /// A truth value, also as 0, 1, "true" or "false".
  func looseBool(_ key: Key) -> Bool? {
    if let value = try? decodeIfPresent(Bool.self, forKey: key) { return value }
    switch looseText(key)?.lowercased() {
    case "true", "1": return true
    case "false", "0": return false
    default: return nil
    }
  }
}
