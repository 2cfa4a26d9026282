import Foundation
import Glibc

/// What commands print.
enum Output {
  /// Data, on standard output, with a newline at its end.
  static func say(_ text: String) {
    write(text, to: STDOUT_FILENO)
  }

  /// A remark or a failure, on standard error.
  static func complain(_ text: String) {
    write("tollfs: " + text, to: STDERR_FILENO)
  }

  /// A remark that is no failure, on standard error, so that standard output holds data only.
  static func note(_ text: String) {
    write(text, to: STDERR_FILENO)
  }

  static func json(_ value: some Encodable) {
    if let text = jsonText(value) { say(text) }
  }

  /// Keys are sorted, so that two outputs can be compared.
  static func jsonText(_ value: some Encodable) -> String? {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .iso8601
    do {
      return String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch {
      complain("can't print as JSON: \(error)")
      return nil
    }
  }

  static var errorsGoToATerminal: Bool { isatty(STDERR_FILENO) == 1 }

  /// Text without a newline of its own, on standard error: a line that will be written over.
  static func status(_ text: String) {
    write(text, to: STDERR_FILENO, endsLine: false)
  }

  /// Unbuffered: a line is there when it is said, also when a script reads it from a pipe.
  private static func write(_ text: String, to descriptor: Int32, endsLine: Bool = true) {
    var text = text
    if endsLine, text.utf8.last != UInt8(ascii: "\n") { text += "\n" }
    text.withUTF8 { bytes in
      var written = 0
      while written < bytes.count {
        let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
        if count < 0, errno == EINTR { continue }
        if count <= 0 { return }
        written += count
      }
    }
  }
}
