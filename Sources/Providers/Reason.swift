/// Makes texts of others fit to be one line of a reason: an API's message goes into logs, terminals and attributes.
enum Reason {
  /// Enough for every documented message several times over, and short enough for an extended attribute.
  static let longest = 300

  /// One line, without control or formatting characters (which could rewrite a terminal), cut at ``longest``
  /// characters, and without the key, should a server echo it.
  static func clean(_ text: String, hiding key: APIKey? = nil) -> String {
    // Only the head of a huge text is worth cleaning, but the key must be found before anything is cut.
    var hidden = Substring(text)
    if let key { hidden = Substring(hide(key.secret, in: text)) }
    var line = ""
    var count = 0
    for scalar in hidden.unicodeScalars {
      guard count < longest else { return line + "..." }
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse:
        guard line.unicodeScalars.last != " " else { continue }
        line.unicodeScalars.append(" ")
      default:
        line.unicodeScalars.append(scalar)
      }
      count += 1
    }
    while line.last == " " { line.removeLast() }
    return line
  }

  private static func hide(_ secret: String, in text: String) -> String {
    var result = ""
    var rest = Substring(text)
    while let found = rest.firstRange(of: secret) {
      result += rest[..<found.lowerBound]
      result += "<redacted>"
      rest = rest[found.upperBound...]
    }
    return result + rest
  }
}
