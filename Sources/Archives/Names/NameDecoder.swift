/// Makes text of the bytes of names. Confined to one thread.
final class NameDecoder {
  private let charset: String
  private lazy var converter = charset.uppercased() == CodePage437.name ? nil : CharsetConverter(charset)

  init(_ charset: NameCharset) {
    self.charset = charset.resolved
  }

  /// In this order: UTF-8 if the header says so and it is (APPNOTE 4.4.4, bit 11), the Unicode path field (APPNOTE 4.6.9), UTF-8 if
  /// it happens to be, the configured charset, and CP437, which can read anything.
  func decode(_ fields: EntryFields) -> String {
    let strict = String(validating: fields.name, as: UTF8.self)
    if fields.saysUTF8, let strict { return strict }
    if let field = fields.extra.unicodePath(of: fields.name), let name = String(validating: field, as: UTF8.self) {
      return name
    }
    return decode(fields.name)
  }

  /// UTF-8 if it happens to be, the configured charset, or CP437.
  func decode(_ name: [UInt8]) -> String {
    String(validating: name, as: UTF8.self) ?? converter?.decode(name) ?? CodePage437.decode(name)
  }
}
