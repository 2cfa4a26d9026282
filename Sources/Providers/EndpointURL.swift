/// Where a source's API is: a base URL that has passed the rules of the configuration.
public struct EndpointURL: Hashable, Sendable, CustomStringConvertible {
  /// Why a text can't be an endpoint, in words for the user of a configuration file.
  public struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// Follows the word "endpoint": `endpoint has no host`.
    public let reason: String
    public var description: String { "endpoint \(reason)" }
  }

  /// The default of `kind: memories-screenplay` (INTERFACE.md "Configuration").
  public static let screenplayDefault = "https://mavi-backend.memories.ai/serve/api/v2"

  let base: WebAddress
  /// Whether unencrypted requests to other machines were asked for.
  let allowsHTTP: Bool

  /// Reads a base URL: `https://`, or `http://` for this machine itself. A key that is sent over plain HTTP can be read
  /// by everybody on the way, hence `allowHTTP` for whoever wants that all the same.
  /// - Throws: the reason, which never repeats the text: it may hold a password.
  public init(_ text: String, allowHTTP: Bool = false) throws(Refusal) {
    let base: WebAddress
    do {
      base = try WebAddress(text)
    } catch {
      throw Refusal(reason: error.reason)
    }
    guard !base.target.contains("?") else { throw Refusal(reason: "has a query (?)") }
    guard base.scheme == .https || base.isLoopback || allowHTTP else {
      throw Refusal(
        reason:
          "is http:// on another machine, which would show the key to everybody on the way; use https:// (or allow_http: true)"
      )
    }
    var path = base.target
    while path.last == "/" { path.removeLast() }
    self.base = base.with(target: path)
    self.allowsHTTP = allowHTTP
  }

  /// The URL without a trailing slash. It holds no secret.
  public var description: String { base.text }
  /// Lower-case host name or address.
  public var host: String { base.host }
  public var port: Int { base.port }
  /// Whether the endpoint is this machine itself.
  public var isLoopback: Bool { base.isLoopback }

  /// The address of something below the endpoint; every component is escaped, so that an id can't change the path.
  func address(_ components: String...) -> WebAddress { address(components) }

  func address(_ components: [String]) -> WebAddress {
    base.with(target: components.reduce(base.target) { $0 + "/" + Self.escape($1) })
  }

  /// Percent-encodes all but the unreserved characters (RFC 3986, section 2.3).
  static func escape(_ component: String) -> String {
    let hex = Array("0123456789ABCDEF")
    var escaped = ""
    for byte in component.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        escaped.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        escaped.append("%")
        escaped.append(hex[Int(byte >> 4)])
        escaped.append(hex[Int(byte & 15)])
      }
    }
    return escaped
  }
}
