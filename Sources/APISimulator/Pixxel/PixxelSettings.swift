/// How the simulated Pixxel API behaves where its documentation leaves a choice.
public struct PixxelSettings: Sendable {
  /// How the key must stand in `Authorization`; the vendor's pages show both.
  public enum Authorization: String, Sendable {
    /// Raw or behind `Bearer`.
    case either
    case raw
    case bearer
  }

  public var authorization = Authorization.either
  /// The HTTP status for a workflow, job or task that is not there: 400 and 403 are documented, 404 is usual.
  public var missingStatus = 404
  /// The HTTP status for a key that is missing or wrong.
  public var unauthorizedStatus = 403
  /// More than so many requests a second are answered with 429; nil is no limit.
  public var requestsPerSecond: Double?
  /// Seconds in the `Retry-After` of such a 429; nil sends none.
  public var retryAfter: Int?
  /// No page of workflows is longer, whatever is asked for.
  public var largestPage = 100
  /// The length of a page that nothing was said of.
  public var usualPage = 50

  public init() {}
}
