/// What a request line asks for.
enum Route: Equatable {
  case status(String)
  case download(String)
  case delete(String)
  /// The administration: what follows `/_simulator/`, split at slashes.
  case administration([String])
  case pixxel(PixxelRoute)
  case other

  /// Where the API's base URL puts its paths.
  static let base = "/serve/api/v2"

  init(method: String, path: String) {
    let parts = path.split(separator: "/", omittingEmptySubsequences: true).map { Self.decoded($0) }
    if parts.first == "_simulator" {
      self = .administration(Array(parts.dropFirst()))
      return
    }
    if let route = PixxelRoute(method: method, parts: parts) {
      self = .pixxel(route)
      return
    }
    guard path.hasPrefix(Self.base + "/"), parts.count >= 6, parts[3] == "screenplay", parts[4] == "tasks" else {
      self = .other
      return
    }
    switch (method, parts.count, parts.last) {
    case ("GET", 6, _): self = .status(parts[5])
    case ("DELETE", 6, _): self = .delete(parts[5])
    case ("GET", 7, "download"): self = .download(parts[5])
    default: self = .other
    }
  }

  var kind: RequestKind {
    switch self {
    case .status: .status
    case .download: .download
    case .delete: .delete
    case .pixxel(let route): route.kind
    case .administration, .other: .other
    }
  }

  var task: String? {
    switch self {
    case .status(let id), .download(let id), .delete(let id): id
    case .pixxel(let route): route.key
    case .administration, .other: nil
    }
  }

  /// The fields of a path's query, decoded; of several of a name, the last.
  static func query(_ path: String) -> [String: String] {
    guard let mark = path.firstIndex(of: "?") else { return [:] }
    var fields: [String: String] = [:]
    for field in path[path.index(after: mark)...].split(separator: "&") {
      let sides = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      fields[decoded(sides[0])] = sides.count > 1 ? decoded(sides[1]) : ""
    }
    return fields
  }

  /// A path component with everything escaped but what RFC 3986 calls unreserved.
  static func encoded(_ part: some StringProtocol) -> String {
    var out = ""
    for byte in part.utf8 {
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        out.unicodeScalars.append(Unicode.Scalar(byte))
      default: out += byte < 16 ? "%0" : "%"; out += String(byte, radix: 16, uppercase: true)
      }
    }
    return out
  }

  /// Percent-decoding (RFC 3986, section 2.1); what isn't a valid escape stays as it is.
  static func decoded(_ part: some StringProtocol) -> String {
    let bytes = Array(part.utf8)
    var out: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
        let byte = UInt8(String(decoding: bytes[(index + 1)...(index + 2)], as: UTF8.self), radix: 16)
      {
        out.append(byte)
        index += 3
      } else {
        out.append(bytes[index])
        index += 1
      }
    }
    return String(decoding: out, as: UTF8.self)
  }
}
