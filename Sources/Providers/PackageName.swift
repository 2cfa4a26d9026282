import Tasks

/// What to call a package that is one file. Pure.
enum PackageName {
  /// The name in a `Content-Disposition` (RFC 6266), else the last component of the address's path; made one harmless
  /// component of a path. Nil where nothing is left.
  static func of(disposition: String?, address: WebAddress) -> String? {
    if let name = disposition.flatMap(name(disposition:)).flatMap(harmless) { return name }
    let path = address.target.prefix { $0 != "?" }
    let last = path.split(separator: "/").last.map(String.init) ?? ""
    return harmless(PercentCoding.decode(last) ?? last)
  }

  /// `filename*` before `filename`, whichever comes first (RFC 6266, section 4.3).
  static func name(disposition: String) -> String? {
    let fields = parameters(disposition)
    let extended = fields.first { $0.name == "filename*" }.flatMap { extendedValue($0.value) }
    return extended ?? fields.first { $0.name == "filename" }?.value
  }

  /// `UTF-8'en'%e2%82%ac.tif` (RFC 8187, section 3.2).
  private static func extendedValue(_ text: String) -> String? {
    let parts = text.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3 else { return nil }
    switch parts[0].lowercased() {
    case "utf-8": return PercentCoding.decode(parts[2])
    case "iso-8859-1":
      guard let bytes = PercentCoding.bytes(parts[2]) else { return nil }
      return String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
    default: return nil
    }
  }

  /// The parameters behind the disposition's type, names in lower case, quotes and their escapes resolved.
  private static func parameters(_ text: String) -> [(name: String, value: String)] {
    var fields: [(name: String, value: String)] = []
    var rest = text[...]
    while let semicolon = rest.firstIndex(of: ";") {
      rest = rest[rest.index(after: semicolon)...].drop { $0 == " " || $0 == "\t" }
      let name = rest.prefix { $0 != "=" && $0 != ";" }
      rest = rest[name.endIndex...]
      guard rest.first == "=" else { continue }
      rest = rest.dropFirst().drop { $0 == " " || $0 == "\t" }
      let value = rest.first == "\"" ? takeQuoted(&rest) : takeToken(&rest)
      fields.append((name.filter { $0 != " " && $0 != "\t" }.lowercased(), value))
    }
    return fields
  }

  private static func takeToken(_ rest: inout Substring) -> String {
    let token = rest.prefix { $0 != ";" }
    rest = rest[token.endIndex...]
    return String(token)
  }

  private static func takeQuoted(_ rest: inout Substring) -> String {
    var value = ""
    rest = rest.dropFirst()
    while let character = rest.popFirst(), character != "\"" {
      // A path that a Windows server sends has its backslashes bare; what they escape is of no use in a name anyway.
      if character == "\\", let next = rest.first, next == "\"" || next == "\\" {
        value.append(rest.removeFirst())
      } else {
        value.append(character)
      }
    }
    return value
  }

  /// One component: what comes after the last slash of either kind, without control and formatting characters, not hidden, and
  /// not longer than a name can be.
  static func harmless(_ text: String) -> String? {
    let last = text.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last ?? ""
    var name = ""
    for scalar in last.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse: continue
      default: name.unicodeScalars.append(scalar)
      }
    }
    while name.last == " " { name.removeLast() }
    while let first = name.first, first == " " || first == "." { name.removeFirst() }
    name = shortened(name)
    return PathComponentRule.refusal(of: name) == nil ? name : nil
  }

  /// At most 255 bytes, the extension kept where it is one.
  private static func shortened(_ name: String) -> String {
    guard name.utf8.count > 255 else { return name }
    let dot = name.lastIndex(of: ".")
    let ending = dot.map { name[$0...] } ?? ""
    let kept = ending.utf8.count <= 32 ? ending : ""
    var short = name.dropLast(kept.count)
    while short.utf8.count + kept.utf8.count > 255 { short.removeLast() }
    return String(short + kept)
  }
}
