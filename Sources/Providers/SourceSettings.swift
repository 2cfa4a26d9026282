import Tasks

/// One entry under `sources` in the configuration, as far as its API is concerned.
public struct SourceSettings: Hashable, Sendable {
  public var name: SourceName
  public var endpoint: EndpointURL
  public var price: PricePerGigabyte
  /// Requests a second; 0 for no limit. APIS.md: the screenplay API allows 1 a second and account.
  public var rateLimit: Double

  public init(name: SourceName, endpoint: EndpointURL, price: PricePerGigabyte, rateLimit: Double = 1) {
    self.name = name
    self.endpoint = endpoint
    self.price = price
    self.rateLimit = rateLimit
  }
}
