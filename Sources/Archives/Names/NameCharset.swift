import Glibc

/// How names are read that are not UTF-8 and do not say what they are.
public struct NameCharset: Hashable, Sendable {
  /// As iconv(3) knows it; nil for ``automatic``.
  let name: String?

  /// GB18030 in a zh locale, CP437 otherwise: the first is what Chinese Windows writes, the second what the format says (APPNOTE D.1).
  /// Nothing is guessed from the names: a short Chinese name is valid in half a dozen charsets.
  public static let automatic = NameCharset(name: nil)

  private init(name: String?) {
    self.name = name
  }

  /// A charset by its name, such as `GB18030`, `Shift_JIS`, `Big5`, `EUC-KR`, `CP437`; or `auto`.
  ///
  /// Returns nil for one that this system's iconv doesn't know.
  public init?(_ name: String) {
    if name.lowercased() == "auto" {
      self = .automatic
    } else {
      guard Self.validate(name) else { return nil }
      self.init(name: name)
    }
  }

  /// Whether this system's iconv(3) can read `name`. Names of charsets are plain ASCII without `/`, which iconv takes as the start of options.
  public static func validate(_ name: String) -> Bool {
    guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "/") }) else {
      return false
    }
    return CharsetConverter(name) != nil
  }

  /// The charset in force, in the locale of this process's environment.
  var resolved: String {
    if let name { return name }
    let variables = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { (variable: String) in
      getenv(variable).map { String(cString: $0) }
    }
    let locale = variables.first { !$0.isEmpty } ?? ""
    return locale.hasPrefix("zh") ? "GB18030" : CodePage437.name
  }
}

/// iconv(3) from one charset to UTF-8. Confined to one thread, as an iconv descriptor is.
final class CharsetConverter {
  private let descriptor: iconv_t

  /// Returns nil for a charset that iconv doesn't know.
  init?(_ charset: String) {
    guard let descriptor = iconv_open("UTF-8", charset), Int(bitPattern: descriptor) != -1 else { return nil }
    self.descriptor = descriptor
  }

  deinit {
    iconv_close(descriptor)
  }

  /// Returns nil when the bytes are not wholly valid in the charset.
  func decode(_ bytes: [UInt8]) -> String? {
    iconv(descriptor, nil, nil, nil, nil)
    var input = bytes.map { CChar(bitPattern: $0) }
    // No charset needs more than four bytes of UTF-8 for one byte of its own, but for combined letters and shift sequences.
    var output = [CChar](repeating: 0, count: 8 * bytes.count + 16)
    var written = 0
    let isWhole = input.withUnsafeMutableBufferPointer { input in
      output.withUnsafeMutableBufferPointer { output in
        var (from, to) = (input.baseAddress, output.baseAddress)
        var (left, room) = (input.count, output.count)
        guard iconv(descriptor, &from, &left, &to, &room) != -1 else { return false }
        guard iconv(descriptor, nil, nil, &to, &room) != -1 else { return false }
        written = output.count - room
        return left == 0
      }
    }
    guard isWhole else { return nil }
    return String(validating: output.prefix(written).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// The charset of names that do not say theirs, by the format's own rule (APPNOTE D.1). It has a character for every byte, so that
/// it also serves where another one fails; and a table of its own, since a small system may have no iconv modules.
enum CodePage437 {
  static let name = "CP437"

  private static let upperHalf = Array(
    """
    ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
    αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}
    """.unicodeScalars)

  static func decode(_ bytes: [UInt8]) -> String {
    var scalars = String.UnicodeScalarView()
    for byte in bytes {
      scalars.append(byte < 0x80 ? Unicode.Scalar(byte) : upperHalf[Int(byte) - 0x80])
    }
    return String(scalars)
  }
}
