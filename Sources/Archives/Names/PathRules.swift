/// How names in archives become paths that are safe to show.
///
/// Nothing here touches a filesystem: a result that wants to climb out of its directory simply doesn't get to.
enum PathRules {
  /// The kernel's NAME_MAX, in bytes.
  static let longestComponent = 255
  /// What stands for a name of which nothing is left.
  static let unnamed = "unnamed"

  /// The components of a name; none for one that names nothing (`/`, `..`).
  ///
  /// Only `/` separates: a backslash is a letter of the name, as it is to all readers on this system. Components that are empty, `.` or `..` are
  /// dropped, which also makes absolute paths relative.
  static func components(of name: String, longestPath: Int) -> [String] {
    let parts = name.utf8.split(separator: UInt8(ascii: "/")).lazy.map { printable(Substring($0)) }
    let safe = parts.filter { $0 != "." && $0 != ".." }.map { fitted($0, to: longestComponent) }
    return shortened(Array(safe), to: longestPath)
  }

  /// Control characters (C0, DEL, C1) become `_`: they would move the cursor of whoever lists the directory.
  private static func printable(_ text: Substring) -> String {
    guard text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f || $0 == 0xc2 }) else { return String(text) }
    var scalars = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      let isControl = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
      scalars.append(isControl ? "_" : scalar)
    }
    return String(scalars)
  }

  /// Cuts a component to so many bytes, between characters; a hash of the whole keeps it apart from others that begin alike, and the
  /// extension stays.
  static func fitted(_ component: String, to limit: Int) -> String {
    guard component.utf8.count > limit else { return component }
    var hash = StableHash()
    hash.combine(component)
    var (stem, ending) = split(component)
    // A long tail behind a dot is no extension.
    if ending.utf8.count > 32 { (stem, ending) = (component[...], "") }
    return cut(stem, to: limit - 17 - ending.utf8.count) + "~" + hash.hexadecimal + ending
  }

  /// Adds `_number` before the extension, within the longest component.
  static func numbered(_ component: String, _ number: Int) -> String {
    let (stem, ending) = split(component)
    let suffix = "_\(number)" + ending
    guard suffix.utf8.count < longestComponent else { return cut(component[...], to: 230) + "_\(number)" }
    return cut(stem, to: longestComponent - suffix.utf8.count) + suffix
  }

  /// The name up to its last dot, and the rest; a dot in front is no extension.
  private static func split(_ component: String) -> (stem: Substring, ending: String) {
    guard let dot = component.lastIndex(of: "."), dot != component.startIndex else { return (component[...], "") }
    return (component[..<dot], String(component[dot...]))
  }

  private static func cut(_ text: Substring, to limit: Int) -> String {
    guard text.utf8.count > limit else { return String(text) }
    var scalars = String.UnicodeScalarView()
    var length = 0
    for scalar in text.unicodeScalars {
      length += UTF8.width(scalar)
      if length > limit { break }
      scalars.append(scalar)
    }
    return String(scalars)
  }

  /// Replaces directories in the middle of a path that is too long by one that is named after their hash.
  private static func shortened(_ components: [String], to limit: Int) -> [String] {
    let length = components.reduce(-1) { $0 + $1.utf8.count + 1 }
    guard length > limit, components.count > 2, let name = components.last else { return components }
    var hash = StableHash()
    for component in components.dropLast() { hash.combine(component + "/") }
    let marker = "~" + hash.hexadecimal
    var room = limit - name.utf8.count - marker.utf8.count - 1
    var kept: [String] = []
    for component in components.dropLast(2) {
      room -= component.utf8.count + 1
      if room < 0 { break }
      kept.append(component)
    }
    return kept + [marker, name]
  }
}

/// FNV-1a with 64 bits: the same in every process, which Swift's own hashes are not.
struct StableHash: Hashable {
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func combine(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }
  }

  mutating func combine(_ text: String) {
    combine(text.utf8)
  }

  /// 16 digits.
  var hexadecimal: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
