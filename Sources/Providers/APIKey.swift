/// A secret that an API knows its user by. It prints as `<redacted>` wherever it is printed, dumped or reflected.
public struct APIKey: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The key itself: for the request header, and for taking it out of texts.
  let secret: String

  /// 8 KiB: the header line that common servers accept at most; no key comes near.
  static let longest = 8192

  /// Takes surrounding white space off (a file ends with a newline). Returns nil for an empty key, and for one with
  /// anything but visible ASCII inside: it could not be sent in a header. The shape is never judged (APIS.md).
  public init?(_ text: String) {
    let bytes = text.utf8
    let isBlank: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0d).contains($0) }
    guard let first = bytes.firstIndex(where: { !isBlank($0) }), let last = bytes.lastIndex(where: { !isBlank($0) })
    else { return nil }
    let trimmed = text[first...last]
    guard trimmed.utf8.count <= Self.longest, trimmed.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
    secret = String(trimmed)
  }

  public var description: String { "<redacted>" }
  public var debugDescription: String { "<redacted>" }
  public var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
