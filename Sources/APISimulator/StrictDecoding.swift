/// A type that names all its keys.
protocol KeyListed: Decodable {
  static var keys: Set<String> { get }
}

extension FaultRule: KeyListed {
  static var keys: Set<String> { Set(CodingKeys.allCases.map(\.rawValue)) }
}

extension TaskOrder: KeyListed {
  static var keys: Set<String> { ScriptOrder.keys.union(CodingKeys.allCases.map(\.rawValue)) }
}

extension ScriptOrder: KeyListed {
  static var keys: Set<String> { Set(CodingKeys.allCases.map(\.rawValue)) }
}

extension WorkflowOrder: KeyListed {
  static var keys: Set<String> { Set(CodingKeys.allCases.map(\.rawValue)) }
}

extension JobOrder: KeyListed {
  static var keys: Set<String> { Set(CodingKeys.allCases.map(\.rawValue)) }
}

extension PixxelTaskOrder: KeyListed {
  static var keys: Set<String> { ScriptOrder.keys.union(CodingKeys.allCases.map(\.rawValue)) }
}

extension PackageOrder: KeyListed {
  static var keys: Set<String> { Set(CodingKeys.allCases.map(\.rawValue)) }
}

extension ClockOrder: KeyListed {
  static var keys: Set<String> { Set(CodingKeys.allCases.map(\.rawValue)) }
}

extension Faults: KeyListed {
  static var keys: Set<String> { Set(CodingKeys.allCases.map(\.rawValue)) }
}

/// Decodes a value and refuses keys that it doesn't have: a mistyped fault that strikes nothing would make a test pass that
/// tests nothing.
struct Strict<Value: KeyListed>: Decodable {
  let value: Value

  private struct AnyKey: CodingKey {
    let stringValue: String
    let intValue: Int? = nil
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: AnyKey.self)
    for key in container.allKeys where !Value.keys.contains(key.stringValue) {
      throw DecodingError.dataCorruptedError(forKey: key, in: container, debugDescription: "no such key")
    }
    // One level down by hand: a rule's own decoding would read its faults without this check.
    let nested = AnyKey(stringValue: "faults")
    if Value.self == FaultRule.self, container.contains(nested) {
      _ = try container.decode(Strict<Faults>.self, forKey: nested)
    }
    value = try Value(from: decoder)
  }
}
