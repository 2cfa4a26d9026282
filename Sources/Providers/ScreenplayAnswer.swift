import Tasks

/// Reads the screenplay API's answers. Pure: status, content type and body in, meaning out.
enum ScreenplayAnswer {
  /// 4 MiB: the documented answers have some hundred bytes, and an error message may quote something long.
  static let longestJSON = 4 << 20

  /// The answer to the status call.
  static func status(_ head: AnswerHead, _ body: [UInt8], taskID: String) -> Result<TaskStatus, Refusal> {
    guard let envelope = ScreenplayEnvelope.decode(body) else { return .failure(unreadable(head)) }
    guard (200...299).contains(head.status), envelope.saysSuccess ?? (envelope.data?.status != nil) else {
      return .failure(failure(head, envelope))
    }
    guard let data = envelope.data, let word = data.status, !word.isEmpty else {
      return .failure(Refusal(kind: .badAnswer, text: "an answer without a status"))
    }
    if let answered = data.taskID, answered != taskID {
      return .failure(Refusal(kind: .badAnswer, text: "an answer about another task, \(answered)"))
    }
    var progress: TaskProgress?
    if let total = data.totalEpisodes, let completed = data.completedEpisodes, total >= 0, completed >= 0 {
      progress = .episodes(completed: completed, total: total)
    }
    return .success(
      TaskStatus(
        state: TaskState(word: Reason.clean(word)), progress: progress, errorCode: data.errorCode,
        errorMessage: data.errorMessage, raw: body))
  }

  /// Whether a successful answer to the download is an archive: it is when it starts like one, whatever it is called.
  /// Local header, empty archive, and the marker of a split or streamed one (APPNOTE 4.3.7, 4.3.16, 8.5.3).
  static func isArchive(_ start: some Collection<UInt8>) -> Bool {
    let magic = Array(start.prefix(4))
    return [[0x50, 0x4b, 0x03, 0x04], [0x50, 0x4b, 0x05, 0x06], [0x50, 0x4b, 0x07, 0x08]].contains(magic)
  }

  /// The answer to the download, when it is not an archive.
  ///
  /// Not billed is what the API itself refused, with its envelope or at least in JSON; and what no API server has seen
  /// or worked on: any 4xx but 408, and a 503. Everything else may have been charged: a
  /// gateway that gave up (408, 502, 504) does not know what the server behind it did, in whatever words it says so.
  static func notAnArchive(_ head: AnswerHead, _ body: [UInt8]) -> Refusal {
    if let envelope = ScreenplayEnvelope.decode(body) {
      let isSuccess = (200...299).contains(head.status)
      let isGateway = [408, 502, 504].contains(head.status)
      if envelope.isEnvelope ? !isSuccess || envelope.saysSuccess == false : !isSuccess && !isGateway {
        return failure(head, envelope)
      }
    }
    if (200...299).contains(head.status) {
      let type = head.contentType ?? "no content type"
      return Refusal(kind: .badAnswer, text: "an answer that is no zip archive (\(type))", billing: .unknown)
    }
    var refusal = unreadable(head)
    let isRefused = (400...499).contains(head.status) && head.status != 408
    refusal.billing = isRefused || head.status == 503 ? .notBilled : .unknown
    return refusal
  }

  /// No envelope: a gateway, a proxy, a login page, or the wrong address. So nothing here says that a task is missing.
  private static func unreadable(_ head: AnswerHead) -> Refusal {
    switch head.status {
    case 200...299:
      return Refusal(
        kind: .badAnswer, text: "an answer that is not the API's JSON (\(head.contentType ?? "no content type"))")
    case 404:
      return Refusal(kind: .badAnswer, text: "HTTP 404 without the API's JSON; is the endpoint right?")
    default:
      return .byCode([head.status], text: "HTTP \(head.status)")
    }
  }

  /// The envelope of a failure: its text decides, where it is one of the documented ones, then the codes.
  private static func failure(_ head: AnswerHead, _ envelope: ScreenplayEnvelope) -> Refusal {
    let message = envelope.message ?? ""
    let codes = "HTTP \(head.status), code \(envelope.code ?? "missing")"
    let text = message.isEmpty ? codes : "\"\(message)\" (\(codes))"
    let lowered = message.lowercased()
    for (part, kind) in documentedTexts where lowered.contains(part) {
      return Refusal(kind: kind, text: text)
    }
    return .byCode([envelope.number, head.status].compactMap { $0 }, text: text)
  }

  /// The error tables of both API pages, and "task does not exist" for good measure: "not found" alone is no proof,
  /// a wrong path says that too.
  private static let documentedTexts: [(String, SourceFailure.Kind)] = [
    ("insufficient balance", .insufficientBalance),
    ("task not found", .noSuchTask),
    ("task does not exist", .noSuchTask),
    ("task is not completed", .notCompleted),
    ("no result data available", .noResults),
    ("no downloadable files found", .noResults),
  ]
}
