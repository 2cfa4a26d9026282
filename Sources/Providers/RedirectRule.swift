/// Whether and how a redirect is followed. Only GET is ever redirected.
///
/// The key goes nowhere but to the origin (scheme, host and port) that it was configured for, and once a chain has left
/// that origin, the key stays behind even if the chain leads back. HTTPS never becomes HTTP. Small calls stay at their
/// origin altogether: another server could only answer them without the key, so its answer could not be trusted to be
/// the API's. A download may go on elsewhere without the key, which is how APIs hand over to object stores.
struct RedirectRule: Hashable, Sendable {
  enum Purpose: Sendable {
    case call, download
  }

  enum Verdict: Hashable, Sendable {
    case follow(WebAddress, withKey: Bool)
    case refuse(String)
  }

  /// Five, like curl's and browsers' order of magnitude: an API needs one.
  static let limit = 5
  static let statuses: Set<Int> = [301, 302, 303, 307, 308]

  let purpose: Purpose
  let origin: WebAddress
  /// Whether plain HTTP to other machines was asked for in the configuration.
  let allowsHTTP: Bool

  func verdict(from current: WebAddress, location: String?, hop: Int, keyStillAllowed: Bool) -> Verdict {
    guard hop < Self.limit else { return .refuse("more than \(Self.limit) redirects") }
    guard let location, let next = current.resolving(location: location) else {
      return .refuse("a redirect without a usable Location")
    }
    if next.hasSameOrigin(as: origin) { return .follow(next, withKey: keyStillAllowed) }
    guard purpose == .download else {
      return .refuse("a redirect to another server, \(next.place), where the key must not go; is the endpoint right?")
    }
    if next.scheme == .https { return .follow(next, withKey: false) }
    guard current.scheme == .http, next.isLoopback || allowsHTTP else {
      return .refuse("a redirect to unencrypted http at \(next.place)")
    }
    return .follow(next, withKey: false)
  }
}
