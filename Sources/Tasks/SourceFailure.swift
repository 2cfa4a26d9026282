/// Why a source could not answer, in terms that mean the same for every API.
public struct SourceFailure: Error, Hashable, Sendable {
  public enum Kind: Hashable, Sendable, CaseIterable {
    /// The API confirmed that there is no such task, workflow or job.
    case noSuchTask
    /// The task exists but has no results yet.
    case notCompleted
    /// "No result data available", "No downloadable files found".
    case noResults
    /// The provider says that the account's balance does not suffice.
    case insufficientBalance
    /// The key is missing, or was refused.
    case accessDenied
    /// No answer within the deadline.
    case timedOut
    /// Name not resolved, can't connect, connection lost.
    case unreachable
    /// Still rate-limited after the retries.
    case rateLimited
    /// 5xx after the retries, or an answer that is not what the API promises.
    case badAnswer
    /// The caller's task was cancelled.
    case cancelled
    /// A signed package changed between two requests.
    case changed
  }

  /// Whether a billed request may have been charged.
  public enum Billing: Hashable, Sendable {
    /// The request never left, or the API answered with an error instead of results.
    case notBilled
    /// The request left and its fate is not known.
    case unknown
  }

  public let kind: Kind
  /// One line for people: what failed, where, and where possible the mend. Holds no secret.
  public let reason: String
  public let billing: Billing

  public init(_ kind: Kind, _ reason: String, billing: Billing = .notBilled) {
    self.kind = kind
    self.reason = reason
    self.billing = billing
  }
}
