import Tasks

/// What is known of a content before an answer about it comes; the answer must agree.
struct KnownContent: Hashable, Sendable {
  var size: UInt64?
  var validator: String?

  static let nothing = KnownContent()

  init(size: UInt64? = nil, validator: String? = nil) {
    self.size = size
    self.validator = validator
  }

  /// A version without a validator agrees with nothing: who made it can't have got it from here.
  init(_ version: PackageVersion?) {
    guard let version else { return }
    size = UInt64(version.size.bytes)
    validator = version.validator ?? ""
  }

  func agrees(with other: KnownContent) -> Bool {
    (size == nil || other.size == nil || size == other.size) && (validator == nil || validator == other.validator)
  }

  var version: PackageVersion? {
    size.map { PackageVersion(size: ByteCount(Int64(clamping: $0)), validator: validator) }
  }
}

/// Why a store's answer is of no use, and what may be done about it.
struct StoreFailure: Error, Hashable, Sendable {
  enum Remedy: Hashable, Sendable {
    case none
    /// The same once more: such an answer is a slip or a fault.
    case again
    /// Another signed URL.
    case renew
    case pause(RetryPolicy.Cause)
    /// The same bytes by their place; the total, where the refusal told it.
    case withoutSuffix(total: UInt64?)
  }

  let kind: SourceFailure.Kind
  /// Follows "HTTP answer of host: " or stands alone; holds nothing of the address but its host.
  let text: String
  let remedy: Remedy
}

/// Judges the head of a store's answer. Pure, and strict: bytes that are put in the wrong place are worse than none.
struct StoreAnswer: Hashable, Sendable {
  /// Where the body stands in the content. Nil for a whole content of unknown length.
  let part: Range<UInt64>?
  /// Whether the body is the whole content, by a 200.
  let isWhole: Bool
  let content: KnownContent

  /// - Parameter mark: stands for the validator where the store gives none.
  static func judge(
    _ head: AnswerHead, asked: StoreRange, known: KnownContent, mark: String
  ) -> Result<StoreAnswer, StoreFailure> {
    switch head.status {
    case 200, 206:
      // A Content-Encoding does not matter: ranges are of the content as it is stored, and so it is handed on.
      let validator = validator(head) ?? mark
      let answer =
        head.status == 200 ? whole(head, asked, known, validator) : part(head, asked, validator)
      return answer.flatMap { known.agrees(with: $0.content) ? .success($0) : .failure(changed) }
    case 416: return notSatisfiable(head, asked, known, mark)
    default: return .failure(refusal(head, asked))
    }
  }

  private static let changed = StoreFailure(
    kind: .changed, text: "the package is another one by now", remedy: .none)

  private static func odd(_ text: String) -> StoreFailure {
    StoreFailure(kind: .badAnswer, text: text, remedy: .again)
  }

  /// A strong ETag, else the time of the last change. A weak ETag allows differing bytes (RFC 9110, section 8.8.1).
  private static func validator(_ head: AnswerHead) -> String? {
    for text in [head.etag, head.lastModified].compactMap(\.self) {
      // 1 KiB: it is kept with the listing; the longest in use have some dozens of characters.
      guard !text.isEmpty, !text.hasPrefix("W/"), text.utf8.count <= 1024 else { continue }
      return text
    }
    return nil
  }

  private static func whole(
    _ head: AnswerHead, _ asked: StoreRange, _ known: KnownContent, _ validator: String
  ) -> Result<StoreAnswer, StoreFailure> {
    let length = head.contentLength.flatMap { UInt64(exactly: $0) }
    // The known total makes a place out of a suffix; only a server that knows no ranges at all answers that one like this.
    if case .last = asked {
      return .failure(
        StoreFailure(kind: .badAnswer, text: "a suffix range ignored", remedy: .withoutSuffix(total: length)))
    }
    // What the length is not told of must have the length that is known.
    let size = length ?? known.size
    return .success(
      StoreAnswer(part: size.map { 0..<$0 }, isWhole: true, content: KnownContent(size: size, validator: validator)))
  }

  private static func part(
    _ head: AnswerHead, _ asked: StoreRange, _ validator: String
  ) -> Result<StoreAnswer, StoreFailure> {
    guard asked != .all else { return .failure(odd("a part, where the whole was asked for")) }
    if head.contentType?.hasPrefix("multipart/") == true { return .failure(odd("several parts at once")) }
    guard let field = head.contentRange.flatMap(ContentRange.init), let range = field.range, let total = field.total
    else { return .failure(odd("a part without a proper Content-Range")) }
    guard range == asked.part(of: total) else { return .failure(odd("another part than asked for")) }
    if let length = head.contentLength, UInt64(exactly: length) != UInt64(range.count) {
      return .failure(odd("a part with a Content-Length that is not its length"))
    }
    return .success(
      StoreAnswer(part: range, isWhole: false, content: KnownContent(size: total, validator: validator)))
  }

  /// 416: an empty content has no range to give; a shorter one is another one; and some stores know no suffix ranges.
  private static func notSatisfiable(
    _ head: AnswerHead, _ asked: StoreRange, _ known: KnownContent, _ mark: String
  ) -> Result<StoreAnswer, StoreFailure> {
    let total = head.contentRange.flatMap(ContentRange.init)?.total
    if let total, let size = known.size, size != total { return .failure(changed) }
    if total == 0 {
      let content = KnownContent(size: 0, validator: validator(head) ?? mark)
      guard known.agrees(with: content) else { return .failure(changed) }
      return .success(StoreAnswer(part: 0..<0, isWhole: false, content: content))
    }
    if case .last = asked {
      return .failure(
        StoreFailure(kind: .badAnswer, text: "HTTP 416 to a suffix range", remedy: .withoutSuffix(total: total)))
    }
    if let total, asked.part(of: total) == nil {
      return .failure(
        StoreFailure(kind: .badAnswer, text: "HTTP 416: the package has only \(total) bytes", remedy: .none))
    }
    return .failure(odd("HTTP 416"))
  }

  /// The bodies of refusals are left alone: some quote the signature.
  private static func refusal(_ head: AnswerHead, _ asked: StoreRange) -> StoreFailure {
    let text = "HTTP \(head.status)"
    if case .last = asked, head.status == 400 || head.status == 501 {
      return StoreFailure(kind: .badAnswer, text: "\(text) to a suffix range", remedy: .withoutSuffix(total: nil))
    }
    switch head.status {
    // What an expired signature gets, and what a new address can mend, differs from store to store.
    case 401, 403: return StoreFailure(kind: .accessDenied, text: text, remedy: .renew)
    case 400, 404, 410: return StoreFailure(kind: .badAnswer, text: text, remedy: .renew)
    case 429:
      let cause = RetryPolicy.Cause.rateLimited(retryAfter: RetryAfter.parse(head.retryAfter))
      return StoreFailure(kind: .rateLimited, text: text, remedy: .pause(cause))
    case 501, 505: return StoreFailure(kind: .badAnswer, text: text, remedy: .none)
    case 408, 500...599:
      let asked = RetryAfter.parse(head.retryAfter)
      let cause = asked.map { RetryPolicy.Cause.rateLimited(retryAfter: $0) } ?? .passing
      return StoreFailure(kind: .badAnswer, text: text, remedy: .pause(cause))
    default: return odd(text)
    }
  }
}
