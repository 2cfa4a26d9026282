import Glibc

/// The charset that C libraries take for that of this thread.
enum ThreadLocale {
  /// No charset: bytes of names stay what they are.
  static let plain = "C"
  static let utf8 = "C.UTF-8"

  /// Runs `body` with a locale of its own, whatever the process's is. Where the system doesn't have that locale, the thread's stays.
  static func with<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
    let locale = newlocale(LC_CTYPE_MASK, name, nil)
    guard let locale else { return try body() }
    let before = uselocale(locale)
    defer {
      uselocale(before)
      freelocale(locale)
    }
    return try body()
  }
}
