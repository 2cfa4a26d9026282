import Tasks

/// How a source's API wants its key: on most pages of both APIs it stands alone in the header, on some of Pixxel's after the
/// word `Bearer` (APIS.md).
public enum KeyAuthorization: String, Hashable, Sendable, CaseIterable {
  case raw, bearer

  func header(_ key: APIKey) -> String {
    switch self {
    case .raw: key.secret
    case .bearer: "Bearer \(key.secret)"
    }
  }
}

/// One entry under `sources` in the configuration, as far as its API is concerned.
public struct SourceSettings: Hashable, Sendable {
  public var name: SourceName
  public var endpoint: EndpointURL
  public var price: PricePerGigabyte
  /// Requests a second; 0 for no limit. APIS.md: the screenplay API allows 1 a second and account.
  public var rateLimit: Double
  public var authorization: KeyAuthorization

  public init(
    name: SourceName, endpoint: EndpointURL, price: PricePerGigabyte, rateLimit: Double = 1,
    authorization: KeyAuthorization = .raw
  ) {
    self.name = name
    self.endpoint = endpoint
    self.price = price
    self.rateLimit = rateLimit
    self.authorization = authorization
  }
}
