import Tasks

extension FailedTry {
  /// A refusal, with the remedy that its kind allows.
  init(_ refusal: Refusal, head: AnswerHead, repeating: Set<SourceFailure.Kind>) {
    self.init(
      kind: refusal.kind, text: refusal.text, billing: refusal.billing, mayMeanAbsence: refusal.mayMeanAbsence)
    if refusal.kind == .accessDenied, refusal.isUnauthorized {
      remedy = .anotherKey
    } else if refusal.mayPass, repeating.contains(refusal.kind) {
      remedy = .pause(
        refusal.kind == .rateLimited ? .rateLimited(retryAfter: RetryAfter.parse(head.retryAfter)) : .passing)
    }
  }

  /// An answer that began and did not end.
  init(broken fault: TransportFault, billing: SourceFailure.Billing, isRepeatable: Bool) {
    let kind = fault.kind.failureKind
    let mayRepeat = isRepeatable && fault.mayPass && (kind == .timedOut || kind == .unreachable)
    self.init(kind: kind, text: fault.text, billing: billing, remedy: mayRepeat ? .pause(.passing) : .none)
  }
}
