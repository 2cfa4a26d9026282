import Testing

@testable import Providers

@Suite struct AddressTests {
  @Test(arguments: [
    ("https://mavi-backend.memories.ai/serve/api/v2", "https://mavi-backend.memories.ai/serve/api/v2"),
    ("https://mavi-backend.memories.ai/serve/api/v2///", "https://mavi-backend.memories.ai/serve/api/v2"),
    ("HTTPS://Mavi.Example:443", "https://mavi.example"),
    ("https://a.example:8443/x", "https://a.example:8443/x"),
    ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ("http://127.9.8.7/", "http://127.9.8.7"),
    ("http://localhost:1", "http://localhost:1"),
    ("http://[::1]:8080/v", "http://[::1]:8080/v"),
  ]) func goodEndpoints(text: String, canonical: String) throws {
    #expect(try EndpointURL(text).description == canonical)
  }

  @Test(arguments: [
    "", "mavi.example", "ftp://a.example", "https://", "https://:443", "https:///path", "http://a.example",
    "http://127.0.0.1.evil.example", "http://localhost.evil.example", "http://128.0.0.1", "http://127.0.0.256",
    "https://user:\(secretText)@a.example", "https://a.example?x=1", "https://a.example/#f", "https://a b.example",
    "https://a.example:0", "https://a.example:65536", "https://a.example:x", "https://a.example:", "https://[::1",
    "https://[evil]/", "https://ä.example", "https://a.example/\n", "https://a.example\\@evil.example",
  ]) func badEndpoints(text: String) {
    let refusal = #expect(throws: EndpointURL.Refusal.self) { try EndpointURL(text) }
    #expect(refusal?.description.hasPrefix("endpoint ") == true)
    #expect(refusal?.description.contains(secretText) == false)
  }

  @Test func plainHTTPElsewhereMustBeAskedFor() throws {
    #expect(throws: EndpointURL.Refusal.self) { try EndpointURL("http://a.example") }
    #expect(try EndpointURL("http://a.example", allowHTTP: true).host == "a.example")
  }

  private func rule(_ purpose: RedirectRule.Purpose, _ origin: String, http: Bool = false) throws -> RedirectRule {
    RedirectRule(purpose: purpose, origin: try WebAddress(origin), allowsHTTP: http)
  }

  struct Hop: Sendable, CustomTestStringConvertible {
    let purpose: RedirectRule.Purpose
    let from: String
    let location: String?
    /// Where to, or nil for refused.
    let to: String?
    var withKey = false
    var testDescription: String { "\(purpose) \(from) -> \(location ?? "nowhere")" }
  }

  static let hops = [
    Hop(purpose: .call, from: "https://a.example/x", location: "/y?z=1", to: "https://a.example/y?z=1", withKey: true),
    Hop(purpose: .call, from: "https://a.example/x/y", location: "z", to: "https://a.example/x/z", withKey: true),
    Hop(
      purpose: .call, from: "https://a.example/x", location: "https://A.example:443/y#f", to: "https://a.example/y",
      withKey: true),
    Hop(purpose: .call, from: "https://a.example/x", location: "https://b.example/y", to: nil),
    Hop(purpose: .call, from: "https://a.example/x", location: "//b.example/y", to: nil),
    Hop(purpose: .call, from: "https://a.example/x", location: "http://a.example/y", to: nil),
    Hop(purpose: .call, from: "https://a.example/x", location: "https://a.example:444/y", to: nil),
    Hop(purpose: .call, from: "https://a.example/x", location: "https://a.example.evil/", to: nil),
    Hop(purpose: .call, from: "https://a.example/x", location: "https://a.example@evil.example/", to: nil),
    Hop(purpose: .call, from: "https://a.example/x", location: nil, to: nil),
    Hop(purpose: .call, from: "https://a.example/x", location: "ftp://a.example/", to: nil),
    Hop(purpose: .download, from: "https://a.example/x", location: "/y", to: "https://a.example/y", withKey: true),
    Hop(
      purpose: .download, from: "https://a.example/x", location: "https://s3.example/o?X-Sig=1",
      to: "https://s3.example/o?X-Sig=1"),
    Hop(purpose: .download, from: "https://a.example/x", location: "http://a.example/y", to: nil),
    Hop(purpose: .download, from: "https://a.example/x", location: "http://127.0.0.1/y", to: nil),
    Hop(
      purpose: .download, from: "http://127.0.0.1:1/x", location: "http://127.0.0.1:2/y", to: "http://127.0.0.1:2/y"),
    Hop(purpose: .download, from: "http://127.0.0.1:1/x", location: "http://b.example/y", to: nil),
  ]

  @Test(arguments: hops) func redirects(hop: Hop) throws {
    let verdict = try rule(hop.purpose, hop.from).verdict(
      from: WebAddress(hop.from), location: hop.location, hop: 0, keyStillAllowed: true)
    switch verdict {
    case .follow(let address, let withKey):
      #expect(address.text == hop.to)
      #expect(withKey == hop.withKey)
    case .refuse:
      #expect(hop.to == nil)
    }
  }

  @Test func theKeyStaysBehindForGoodAndChainsEnd() throws {
    let rule = try rule(.download, "https://a.example/x")
    let back = rule.verdict(
      from: try WebAddress("https://b.example/"), location: "https://a.example/y", hop: 1, keyStillAllowed: false)
    #expect(back == .follow(try WebAddress("https://a.example/y"), withKey: false))
    let long = rule.verdict(
      from: try WebAddress("https://a.example/"), location: "/y", hop: RedirectRule.limit, keyStillAllowed: true)
    #expect(long == .refuse("more than 5 redirects"))
  }
}
