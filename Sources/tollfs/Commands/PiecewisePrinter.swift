import Foundation

/// Prints a long text in pieces of some size, so that neither all of it is in memory nor each line costs a system call.
struct PiecewisePrinter {
  private var piece: String
  /// As much as a pipe holds.
  private static let size = 65_536

  init(_ beginning: String = "") {
    piece = beginning
  }

  /// - Parameter text: whole lines.
  mutating func add(_ text: String) {
    piece += text
    if piece.utf8.count >= Self.size { end() }
  }

  mutating func end() {
    guard !piece.isEmpty else { return }
    Output.say(piece)
    piece = ""
  }
}

/// Prints a JSON array whose elements come one by one; looks like what ``Output/json(_:)`` prints.
struct JSONArrayPrinter {
  private var printer = PiecewisePrinter("[\n")
  private var pending: String?

  mutating func add(_ value: some Encodable) {
    flush(separator: ",\n")
    pending = Output.jsonText(value).map { text in
      text.split(separator: "\n", omittingEmptySubsequences: false).map { "  " + $0 }.joined(separator: "\n")
    }
  }

  mutating func end() {
    flush(separator: "\n")
    printer.add("]\n")
    printer.end()
  }

  private mutating func flush(separator: String) {
    if let pending { printer.add(pending + separator) }
    pending = nil
  }
}
