/// What goes wrong with an answer. Every field that isn't set leaves that side of the answer as it is, and all of them can be
/// combined. Sizes and offsets are bytes of the body, times are seconds.
///
/// In JSON (the administration's `POST /_simulator/faults`) the keys are these names in snake case.
public struct Faults: Sendable, Equatable, Codable {
  // MARK: What is answered

  /// The HTTP status instead of the usual one. From 400 on, the body becomes a failure's envelope unless `body` is given.
  public var status: Int?
  /// The body instead of the usual one, whatever it is: HTML, cut JSON, nothing.
  public var body: String?
  /// A failure's envelope with this text; in HTTP 200 unless `status` says otherwise.
  public var message: String?
  /// The envelope's `code` as this number instead of the HTTP status.
  public var code: Int?
  /// The envelope's `code` as this string: other pages of the API show "0000" for success.
  public var codeText: String?
  /// The `Content-Type` instead of the usual one.
  public var contentType: String?
  /// Further header fields, `Retry-After` and `Location` among them.
  public var headers: [String: String]?
  /// Whether the body has a `Content-Length` (true) or is chunked (false). As it is, JSON has one and a zip is chunked.
  public var contentLength: Bool?

  // MARK: How it is sent

  /// Waits so long before the answer's head.
  public var delay: Double?
  /// Never answers, and keeps the connection open.
  public var hang: Bool?
  /// Closes the connection instead of answering.
  public var drop: Bool?
  /// Sends no faster than this.
  public var bytesPerSecond: Int?
  /// Stops sending after so many bytes, for `stallSeconds` or, without it, for ever; the connection stays open.
  public var stallAfter: Int64?
  public var stallSeconds: Double?
  /// Resets the connection (TCP RST) after so many bytes.
  public var resetAfter: Int64?
  /// Closes the connection after so many bytes, without the last chunk.
  public var closeAfter: Int64?
  /// Ends the body properly after so many bytes: only who looks at the zip sees that something is missing.
  public var endAfter: Int64?
  /// Inverts the lowest bit of the byte at this offset.
  public var flipBitAt: Int64?
  /// Waits before the answer's head until ``APISimulator/release()``.
  public var hold: Bool?

  // MARK: The object store alone

  /// What is wrong with the answer to a `Range`.
  public var range: RangeFault?
  /// Which of `ETag` and `Last-Modified` the answer has.
  public var validators: ValidatorFault?
  /// The package's next version takes its place before the answer.
  public var nextVersion: Bool?
  /// The package's next version takes its place when so many bytes of the answer have been sent.
  public var nextVersionAfter: Int64?
  /// Whether the rest of this very answer is then of the next version, as from a server whose file is overwritten; otherwise it
  /// goes on as it began.
  public var tears: Bool?
  /// All addresses that were signed for the package expire when so many bytes of the answer have been sent.
  public var expireAfter: Int64?
  /// Waits when so many bytes have been sent until ``APISimulator/release()``.
  public var holdAfter: Int64?
  /// Sends requests for the same path to this host and port (307), unless they were made there.
  public var redirectHost: String?

  public init() {}

  /// The same with something set: `Faults.with { $0.delay = 2 }`.
  public static func with(_ change: (inout Faults) -> Void) -> Faults {
    var faults = Faults()
    change(&faults)
    return faults
  }

  // MARK: Usual ones

  /// 429 with or without `Retry-After` (seconds).
  public static func tooManyRequests(retryAfter: Int? = nil) -> Faults {
    with {
      $0.status = 429
      $0.headers = retryAfter.map { ["Retry-After": String($0)] }
    }
  }

  /// A 5xx with the API's envelope.
  public static func serverError(_ status: Int = 503) -> Faults { with { $0.status = status } }

  /// A failure inside HTTP 200, as has been reported of the API.
  public static func failureInsideOK(_ message: String, code: Int = 400) -> Faults {
    with {
      $0.message = message
      $0.code = code
    }
  }

  /// The balance is used up (402).
  public static let insufficientBalance = with {
    $0.status = 402
    $0.message = ScreenplayText.insufficientBalance
  }

  /// A proxy's or a login page in HTTP 200 where JSON or a zip belongs.
  public static let htmlPage = with {
    $0.body = "<!DOCTYPE html><html><body><h1>Welcome</h1></body></html>"
    $0.contentType = "text/html; charset=utf-8"
  }

  /// HTTP 200 with nothing in it.
  public static let emptyBody = with { $0.body = "" }

  /// A redirect to another place, whole URL.
  public static func redirect(to location: String, status: Int = 302) -> Faults {
    with {
      $0.status = status
      $0.body = ""
      $0.headers = ["Location": location]
    }
  }

  /// An address that is past its time (403), as S3 says it.
  public static let expired = with {
    $0.status = 403
    $0.message = "Request has expired"
  }

  /// Whether the answer is another one, so that nothing is downloaded and nothing billed.
  var replacesAnswer: Bool { status != nil || body != nil || message != nil }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case status, body, message, code
    case codeText = "code_text"
    case contentType = "content_type"
    case headers
    case contentLength = "content_length"
    case delay, hang, drop
    case bytesPerSecond = "bytes_per_second"
    case stallAfter = "stall_after"
    case stallSeconds = "stall_seconds"
    case resetAfter = "reset_after"
    case closeAfter = "close_after"
    case endAfter = "end_after"
    case flipBitAt = "flip_bit_at"
    case hold, range, validators
    case nextVersion = "next_version"
    case nextVersionAfter = "next_version_after"
    case tears
    case expireAfter = "expire_after"
    case holdAfter = "hold_after"
    case redirectHost = "redirect_host"
  }
}

/// What a store may do with a range.
public enum RangeFault: String, Sendable, Codable, CaseIterable {
  /// Ignores it: 200 with everything.
  case ignored
  /// Ignores only `bytes=-N`.
  case suffixIgnored = "suffix_ignored"
  /// `Content-Range` begins and ends one byte later than the body does.
  case shifted
  /// `Content-Range` has another total length.
  case wrongTotal = "wrong_total"
  /// `Content-Range` has no total length (`*`), which is allowed.
  case unknownTotal = "unknown_total"
  /// Sends the first half of what was asked for, and says so, which is allowed.
  case shorter
  /// 206 without `Content-Range`.
  case noContentRange = "no_content_range"
  /// 206 with the range as the only part of a `multipart/byteranges`.
  case multipart
}

/// What a store may leave out that tells two versions apart.
public enum ValidatorFault: String, Sendable, Codable, CaseIterable {
  /// The `ETag` is a weak one.
  case weak
  case noETag = "no_etag"
  case noLastModified = "no_last_modified"
  case neither
}

/// Faults, and which requests they strike.
public struct FaultRule: Sendable, Equatable, Codable {
  public var faults: Faults
  /// Only requests for this task; nil is every task.
  public var task: String?
  /// Only requests of this kind; nil is every kind but the administration's own.
  public var kind: RequestKind?
  /// How many requests it strikes before it is used up; nil is no end.
  public var times: Int?

  public init(_ faults: Faults, task: String? = nil, kind: RequestKind? = nil, times: Int? = nil) {
    self.faults = faults
    self.task = task
    self.kind = kind
    self.times = times
  }

  func strikes(_ kind: RequestKind, task: String?) -> Bool {
    (self.kind == nil || self.kind == kind) && (self.task == nil || self.task == task) && times != 0
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case faults, task, kind, times
  }
}

/// The rules in force. The first that strikes a request is applied to it, alone.
struct FaultPlan: Sendable {
  private(set) var rules: [FaultRule] = []

  init(_ rules: [FaultRule] = []) {
    self.rules = rules
  }

  /// The faults of this request, using up one time of their rule.
  mutating func next(_ kind: RequestKind, task: String?) -> Faults {
    guard let index = rules.firstIndex(where: { $0.strikes(kind, task: task) }) else { return Faults() }
    let faults = rules[index].faults
    if let times = rules[index].times { rules[index].times = times - 1 }
    if rules[index].times == 0 { rules.remove(at: index) }
    return faults
  }
}
