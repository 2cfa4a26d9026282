import Archives
import Providers
import Tasks

/// A value that can't be understood; the message says what would be.
struct UnreadableValue: Error, Hashable, Sendable {
  let message: String

  init(_ message: String) {
    self.message = message
  }
}

/// How each kind of value is read from text. Money and sizes never pass through floating point.
enum SettingValues {
  static func dollars(_ text: String) throws(UnreadableValue) -> Dollars {
    guard let amount = Dollars(decimal: text) else {
      throw UnreadableValue("`\(text)` is no amount; write dollars with at most six decimals, such as 0.25")
    }
    return amount
  }

  static func bytes(_ text: String) throws(UnreadableValue) -> ByteCount {
    guard let count = ByteCount(parsing: text) else {
      throw UnreadableValue("`\(text)` is no size; write a number and a unit, such as 20 GB or 512 MiB")
    }
    return count
  }

  static func positiveBytes(_ text: String) throws(UnreadableValue) -> ByteCount {
    let count = try bytes(text)
    guard count > .zero else { throw UnreadableValue("must be more than nothing") }
    return count
  }

  /// `10 s`, `500 ms`, `1.5 min`, `2 h`; the unit may not be left out.
  static func duration(_ text: String) throws(UnreadableValue) -> Duration {
    let unreadable = UnreadableValue(
      "`\(text)` is no duration; write a number and a unit, such as 10 s, 500 ms or 1 min")
    let compact = text.filter { $0 != " " }
    let digits = compact.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard let factor = nanosecondsPerMillionth[compact.dropFirst(digits.count).lowercased()] else { throw unreadable }
    // The same exact decimal arithmetic as for money: six decimals of a unit.
    guard let number = Dollars(decimal: String(digits)) else { throw unreadable }
    let (nanoseconds, overflow) = number.microDollars.multipliedReportingOverflow(by: factor)
    // A day: what is longer is no deadline any more, and stays clear of every range further down.
    guard !overflow, nanoseconds <= 86_400_000_000_000 else { throw UnreadableValue("`\(text)` is longer than a day") }
    return .nanoseconds(nanoseconds)
  }

  /// Nanoseconds in a millionth of each unit.
  private static let nanosecondsPerMillionth: [String: Int64] = [
    "ms": 1, "s": 1_000, "sec": 1_000, "min": 60_000, "m": 60_000, "h": 3_600_000,
  ]

  static func positiveDuration(_ text: String) throws(UnreadableValue) -> Duration {
    let value = try duration(text)
    guard value > .zero else { throw UnreadableValue("must be longer than nothing: every wait has a deadline") }
    return value
  }

  static func integer(_ range: ClosedRange<Int>) -> (String) throws(UnreadableValue) -> Int {
    { (text) throws(UnreadableValue) in
      guard let number = Int(text), range.contains(number) else {
        throw UnreadableValue("`\(text)` must be a whole number from \(range.lowerBound) to \(range.upperBound)")
      }
      return number
    }
  }

  /// Requests per second; 0 means no limit.
  static func rate(_ text: String) throws(UnreadableValue) -> Double {
    let isPlain = text.utf8.allSatisfy {
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: ".")
    }
    guard isPlain, let number = Double(text), number <= 10_000 else {
      throw UnreadableValue("`\(text)` must be a number of requests per second from 0 (no limit) to 10000")
    }
    // One request in a day is slower than any account's limit; below that a mistyped 0.000001 would look like a hang.
    guard number == 0 || number >= 1.0 / 86_400 else {
      throw UnreadableValue("`\(text)` is less than one request a day")
    }
    return number
  }

  static func flag(_ text: String) throws(UnreadableValue) -> Bool {
    switch text {
    case "true": return true
    case "false": return false
    default: throw UnreadableValue("`\(text)` must be true or false")
    }
  }

  static func choice<Choice>(_ type: Choice.Type) -> (String) throws(UnreadableValue) -> Choice
  where Choice: RawRepresentable & CaseIterable, Choice.RawValue == String {
    { (text) throws(UnreadableValue) in
      if let choice = Choice(rawValue: text) { return choice }
      let words = Choice.allCases.map(\.rawValue)
      let near = Spelling.nearest(to: text, among: words).map { "; did you mean `\($0)`?" } ?? ""
      throw UnreadableValue("`\(text)` must be \(words.joined(separator: " or "))\(near)")
    }
  }

  static func charset(_ text: String) throws(UnreadableValue) -> NameCharset {
    guard let charset = NameCharset(text) else {
      throw UnreadableValue(
        "`\(text)` is no charset known here; write auto, GB18030, Shift_JIS, ... (`iconv -l` lists them)")
    }
    return charset
  }

  static func endpoint(allowingHTTP: Bool) -> (String) throws(UnreadableValue) -> EndpointURL {
    { (text) throws(UnreadableValue) in
      do throws(EndpointURL.Refusal) {
        return try EndpointURL(text, allowHTTP: allowingHTTP)
      } catch {
        // The address is not repeated: it may hold a password.
        throw UnreadableValue(error.reason)
      }
    }
  }

  static func variableName(_ text: String) throws(UnreadableValue) -> String {
    let isName =
      text.utf8.first.map { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } == true
      && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
    // The value is not repeated: it may well be the key itself, put here by mistake.
    guard isName else {
      throw UnreadableValue("is not the name of an environment variable; the key itself does not belong in this file")
    }
    return text
  }
}

/// Makes paths of the configuration absolute.
struct PathResolver: Hashable, Sendable {
  /// nil when nobody says where home is.
  let home: String?
  /// Absolute; what a relative path is relative to.
  let base: String

  /// `~` and `~/...` are the home directory; what does not start with `/` is below ``base``.
  func absolute(_ text: String) throws(UnreadableValue) -> String {
    guard !text.utf8.contains(0) else { throw UnreadableValue("holds a NUL byte") }
    if text == "~" || text.hasPrefix("~/") {
      guard let home, home.hasPrefix("/") else {
        throw UnreadableValue("`\(text)`: HOME is not set; write the path out")
      }
      return Self.tidied(home + text.dropFirst())
    }
    guard !text.hasPrefix("~") else {
      throw UnreadableValue("`\(text)`: only your own ~ is known here; write the path out")
    }
    return Self.tidied(text.hasPrefix("/") ? text : base + "/" + text)
  }

  /// Drops what means nothing in a path: `.`, doubled slashes and one at the end. `..` stays: it may follow a link.
  static func tidied(_ path: String) -> String {
    "/" + path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
  }
}
