import FoundationEssentials

/// Finds where the elements of an array stand in a JSON text, so that each can be handed on byte for byte.
///
/// Looks no closer than that takes: brackets and strings have to fit, and a decoder has to look at what lies between them.
struct JSONSlicer {
  enum Slices: Hashable, Sendable {
    /// The object has no such key.
    case missing
    /// The key is there with something that is no array, such as null.
    case other
    /// Where the elements are, without the white space around them.
    case elements([Range<Int>])
  }

  private static let marks = Array("{}[],:\"".utf8)

  private struct Malformed: Error {}

  private let text: [UInt8]
  private var position = 0

  private init(_ text: [UInt8]) {
    self.text = text
  }

  /// Looks at the first `key` of the object that `text` is; nil when it is none.
  static func elements(of key: String, in text: [UInt8]) -> Slices? {
    var slicer = JSONSlicer(text)
    return try? slicer.find(key)
  }

  private mutating func find(_ key: String) throws(Malformed) -> Slices {
    guard take("{") else { throw Malformed() }
    var found: Slices?
    if !take("}") {
      repeat {
        let name = try string()
        guard take(":") else { throw Malformed() }
        if found == nil, names(name, key) {
          found = try take("[") ? .elements(elements()) : .other
          if found == .other { _ = try value() }
        } else {
          _ = try value()
        }
      } while take(",")
      guard take("}") else { throw Malformed() }
    }
    skipSpace()
    guard position == text.count else { throw Malformed() }
    return found ?? .missing
  }

  private mutating func elements() throws(Malformed) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    if take("]") { return ranges }
    repeat { ranges.append(try value()) } while take(",")
    guard take("]") else { throw Malformed() }
    return ranges
  }

  /// Steps over one value of any kind. By counting brackets, not by recursion: the depth is the server's choice.
  private mutating func value() throws(Malformed) -> Range<Int> {
    skipSpace()
    let start = position
    var closers: [UInt8] = []
    repeat {
      skipSpace()
      guard position < text.count else { throw Malformed() }
      switch text[position] {
      case UInt8(ascii: "\""): _ = try string()
      case UInt8(ascii: "{"): open(UInt8(ascii: "}"), &closers)
      case UInt8(ascii: "["): open(UInt8(ascii: "]"), &closers)
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        guard closers.popLast() == text[position] else { throw Malformed() }
        position += 1
      case UInt8(ascii: ","), UInt8(ascii: ":"):
        guard !closers.isEmpty else { throw Malformed() }
        position += 1
      default: skipWord()
      }
    } while !closers.isEmpty
    return start..<position
  }

  private mutating func open(_ closer: UInt8, _ closers: inout [UInt8]) {
    closers.append(closer)
    position += 1
  }

  /// A number, true, false or null: whatever comes before the next mark.
  private mutating func skipWord() {
    while position < text.count, !LooseJSON.isSpace(text[position]), !Self.marks.contains(text[position]) {
      position += 1
    }
  }

  /// Steps over a string, its quotes included.
  private mutating func string() throws(Malformed) -> Range<Int> {
    skipSpace()
    let start = position
    guard take("\"") else { throw Malformed() }
    while position < text.count {
      switch text[position] {
      case UInt8(ascii: "\\"): position += 2
      case UInt8(ascii: "\""):
        position += 1
        return start..<position
      default: position += 1
      }
    }
    throw Malformed()
  }

  private func names(_ range: Range<Int>, _ key: String) -> Bool {
    let inside = text[range].dropFirst().dropLast()
    if !inside.contains(UInt8(ascii: "\\")) { return inside.elementsEqual(key.utf8) }
    return (try? JSONDecoder().decode(String.self, from: Data(text[range]))) == key
  }

  private mutating func skipSpace() {
    while position < text.count, LooseJSON.isSpace(text[position]) { position += 1 }
  }

  /// Steps over `mark`, if it comes next.
  private mutating func take(_ mark: Unicode.Scalar) -> Bool {
    skipSpace()
    guard position < text.count, text[position] == UInt8(ascii: mark) else { return false }
    position += 1
    return true
  }
}
