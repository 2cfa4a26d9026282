import Tasks

/// What an answer that is not what was asked for means, before the source puts its name to it.
struct Refusal: Error, Hashable, Sendable {
  let kind: SourceFailure.Kind
  /// Words for the reason, as they came: to be cleaned before anybody sees them.
  let text: String
  var billing = SourceFailure.Billing.notBilled
  /// Whether the same request may get another answer soon.
  var mayPass = false
  /// Whether it is the key that was not accepted (401), rather than what it may do (403).
  var isUnauthorized = false
  /// Whether the API may mean that there is no such thing, without saying so: the list it would be in tells.
  var mayMeanAbsence = false
}

extension Refusal {
  /// By the first of the codes that means something; both APIs use HTTP's.
  static func byCode(_ codes: [Int], text: String) -> Refusal {
    for code in codes {
      switch code {
      case 401: return Refusal(kind: .accessDenied, text: text, isUnauthorized: true)
      case 403: return Refusal(kind: .accessDenied, text: text)
      case 402: return Refusal(kind: .insufficientBalance, text: text)
      case 429: return Refusal(kind: .rateLimited, text: text, mayPass: true)
      case 408, 500...599: return Refusal(kind: .badAnswer, text: text, mayPass: true)
      default: continue
      }
    }
    return Refusal(kind: .badAnswer, text: text)
  }
}
