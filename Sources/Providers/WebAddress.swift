import FoundationEssentials

/// A parsed `http` or `https` URL: what of it decides where a request, and a key, may go.
struct WebAddress: Hashable, Sendable {
  enum Scheme: String, Sendable {
    case http, https
  }

  let scheme: Scheme
  /// Lower case; an IPv6 address without its brackets.
  let host: String
  let port: Int
  /// Path and query as they are sent; empty or starting with `/` or `?`.
  let target: String

  /// Why a text is not such a URL.
  struct Refusal: Error, Hashable {
    let reason: String
  }

  init(_ text: String) throws(Refusal) {
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw Refusal(reason: "holds a space, a control character or a character outside ASCII")
    }
    guard let mark = text.firstRange(of: "://") else {
      throw Refusal(reason: "has no scheme; it should start with https://")
    }
    guard let scheme = Scheme(rawValue: text[..<mark.lowerBound].lowercased()) else {
      throw Refusal(reason: "has a scheme other than https or http")
    }
    let rest = text[mark.upperBound...]
    let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    let target = rest[authority.endIndex...]
    guard !target.contains("#") else { throw Refusal(reason: "has a fragment (#)") }
    guard !authority.contains("@") else { throw Refusal(reason: "holds a user name or password") }
    let (host, port) = try Self.splitPort(authority)
    self.scheme = scheme
    self.host = host.lowercased()
    self.port = port ?? (scheme == .https ? 443 : 80)
    self.target = String(target)
  }

  private static func splitPort(_ authority: Substring) throws(Refusal) -> (host: String, port: Int?) {
    var host = authority
    var portText: Substring?
    if authority.first == "[" {
      guard let close = authority.firstIndex(of: "]") else { throw Refusal(reason: "has a [ without its ]") }
      host = authority[authority.index(after: authority.startIndex)..<close]
      let after = authority[authority.index(after: close)...]
      guard after.isEmpty || after.first == ":" else { throw Refusal(reason: "has something odd after ]") }
      portText = after.isEmpty ? nil : after.dropFirst()
      guard host.contains(":"), host.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }) else {
        throw Refusal(reason: "has no IPv6 address between [ and ]")
      }
    } else {
      if let colon = authority.firstIndex(of: ":") {
        host = authority[..<colon]
        portText = authority[authority.index(after: colon)...]
      }
      guard host.allSatisfy({ $0.isLetter || $0.isNumber || "-._".contains($0) }) else {
        throw Refusal(reason: "has a host name with a character that does not belong there")
      }
    }
    guard !host.isEmpty else { throw Refusal(reason: "has no host") }
    guard let portText else { return (String(host), nil) }
    guard let port = UInt16(portText), port > 0 else { throw Refusal(reason: "has a port outside 1 to 65535") }
    return (String(host), Int(port))
  }

  private init(scheme: Scheme, host: String, port: Int, target: String) {
    self.scheme = scheme
    self.host = host
    self.port = port
    self.target = target
  }

  /// The same origin with another path and query.
  func with(target: String) -> WebAddress {
    WebAddress(scheme: scheme, host: host, port: port, target: target)
  }

  /// The URL in full. May carry a signature in its query: never log it.
  var text: String {
    "\(scheme.rawValue)://\(authority)\(target)"
  }

  /// `host:port`, for messages.
  var place: String { "\(bracketedHost):\(port)" }

  /// Whether a request to either address reaches the same server by the same road.
  func hasSameOrigin(as other: WebAddress) -> Bool {
    scheme == other.scheme && host == other.host && port == other.port
  }

  /// Whether the host is this machine, by name or by address; nothing is looked up.
  var isLoopback: Bool {
    if host == "localhost" || host == "::1" { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }

  /// The address that a `Location` header names, seen from this one (RFC 9110, section 10.2.2).
  func resolving(location: String) -> WebAddress? {
    guard let base = URL(string: text), let target = URL(string: location, relativeTo: base) else { return nil }
    let absolute = target.absoluteString.prefix { $0 != "#" }
    return try? WebAddress(String(absolute))
  }

  private var bracketedHost: String { host.contains(":") ? "[\(host)]" : host }

  private var authority: String {
    let usual = scheme == .https ? 443 : 80
    return port == usual ? bracketedHost : place
  }
}
