/// One name in a directory, compared byte by byte.
///
/// Swift's `String` holds `é` and `e` + combining accent to be equal; a filesystem must not, or one of two members
/// of an archive would hide the other.
public struct FileName: Hashable, Comparable, Sendable, CustomStringConvertible {
  public let text: String

  /// Returns nil for the empty name, `.`, `..`, more than 255 bytes (NAME_MAX), and names that hold `/` or NUL.
  public init?(_ text: String) {
    let bytes = text.utf8
    guard !bytes.isEmpty, bytes.count <= 255, text != ".", text != ".." else { return nil }
    guard !bytes.contains(UInt8(ascii: "/")), !bytes.contains(0) else { return nil }
    self.text = text
  }

  /// Returns nil in the cases of ``init(_:)`` and for bytes that are not UTF-8: no name of a tree is made of such bytes.
  public init?(bytes: UnsafeBufferPointer<UInt8>) {
    guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
    self.init(text)
  }

  public static func == (left: FileName, right: FileName) -> Bool {
    left.text.utf8.elementsEqual(right.text.utf8)
  }

  public func hash(into hasher: inout Hasher) {
    for byte in text.utf8 { hasher.combine(byte) }
    hasher.combine(0xff as UInt8)
  }

  public static func < (left: FileName, right: FileName) -> Bool {
    left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
  }

  public var description: String { text }
}
