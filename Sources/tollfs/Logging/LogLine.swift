import Glibc
import Logging

/// One line of the log: time, level, message, metadata. Pure.
enum LogLine {
  /// `2026-03-13T09:30:00.123Z warning message key=value other="two words"`, with a newline at the end.
  ///
  /// Whatever is logged stays on its line: names of files and answers of servers may hold line breaks and terminal
  /// escapes, and end up in a terminal when somebody looks at the log.
  static func render(seconds: Int, milliseconds: Int, level: Logger.Level, message: String, metadata: Logger.Metadata)
    -> String
  {
    var line = "\(timestamp(seconds, milliseconds)) \(level.rawValue) \(escaped(message))"
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      line += " \(escaped(key))=\(quoted(value.description))"
    }
    return line + "\n"
  }

  private static func timestamp(_ seconds: Int, _ milliseconds: Int) -> String {
    var time = time_t(seconds)
    var parts = tm()
    gmtime_r(&time, &parts)
    func padded(_ number: some BinaryInteger, _ width: Int = 2) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let date = "\(padded(Int(parts.tm_year) + 1900, 4))-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))"
    let clock = "\(padded(parts.tm_hour)):\(padded(parts.tm_min)):\(padded(parts.tm_sec)).\(padded(milliseconds, 3))"
    return "\(date)T\(clock)Z"
  }

  private static func quoted(_ value: String) -> String {
    let isPlain = !value.isEmpty && value.unicodeScalars.allSatisfy { $0 != " " && $0 != "\"" && $0 != "=" }
    let text = escaped(value)
    return isPlain ? text : "\"" + text.map { $0 == "\"" ? "\\\"" : String($0) }.joined() + "\""
  }

  private static func escaped(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case _ where isControl(scalar): result += "\\u{" + String(scalar.value, radix: 16) + "}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// C0, DEL, C1, and the two separators that some programs take for line breaks.
  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || scalar.value == 0x2028 || scalar.value == 0x2029
  }
}
