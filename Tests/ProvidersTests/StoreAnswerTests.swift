import Tasks
import Testing

@testable import Providers

/// Every head of a store's answer, judged.
@Suite struct StoreAnswerTests {
  private func head(
    _ status: Int, range: String? = nil, length: Int64? = nil, etag: String? = "\"e\"", modified: String? = nil,
    type: String? = nil, retryAfter: String? = nil
  ) -> AnswerHead {
    var head = AnswerHead(
      status: status, contentType: type, contentLength: length, retryAfter: retryAfter, location: nil)
    (head.contentRange, head.etag, head.lastModified) = (range, etag, modified)
    return head
  }

  private func judge(
    _ head: AnswerHead, _ asked: StoreRange = .bytes(10..<20), known: KnownContent = .nothing
  ) -> Result<StoreAnswer, StoreFailure> {
    StoreAnswer.judge(head, asked: asked, known: known, mark: "mark")
  }

  @Test func rangesAreWrittenAsTheStandardSays() {
    #expect(StoreRange.all.header == nil)
    #expect(StoreRange.bytes(0..<65536).header == "bytes=0-65535")
    #expect(StoreRange.from(7).header == "bytes=7-")
    #expect(StoreRange.last(22).header == "bytes=-22")
    #expect(StoreRange.last(100).part(of: 30) == 0..<30)
    #expect(StoreRange.bytes(10..<20).part(of: 15) == 10..<15)
    #expect(StoreRange.bytes(10..<20).part(of: 10) == nil)
    #expect(StoreRange.all.part(of: 0) == nil)
  }

  @Test func theRightPartIsTaken() throws {
    let answer = try judge(head(206, range: "bytes 10-19/100", length: 10)).get()
    #expect(answer.part == 10..<20 && !answer.isWhole)
    #expect(answer.content == KnownContent(size: 100, validator: "\"e\""))
    // Cut at the end, without a length, and in capitals.
    #expect(try judge(head(206, range: "Bytes  10-14/15")).get().part == 10..<15)
    #expect(try judge(head(206, range: "bytes 90-99/100"), .last(10)).get().part == 90..<100)
    #expect(try judge(head(206, range: "bytes 0-4/5"), .last(10)).get().part == 0..<5)
    #expect(try judge(head(206, range: "bytes 40-99/100"), .from(40)).get().part == 40..<100)
  }

  @Test(
    arguments: [
      nil, "", "bytes", "bytes 10-19", "bytes 10-19/", "bytes 10-19/*", "bytes */100", "bytes 10-18/100",
      "bytes 10-20/100", "bytes 9-19/100", "bytes 0-9/100", "bytes 19-10/100", "bytes 10-19/19", "bytes 10-19/10",
      "bytes 10-19/-100", "bytes +10-19/100", "bytes 10-19/100/100", "bytes 10-19-20/100", "bytes=10-19/100",
      "items 10-19/100", "10-19/100", "bytes 10-19/99999999999999999999", "bytes 0xA-19/100", "bytes 10-19/ 100",
      "bytes 10-14/100", "bytes ٣-19/100",
    ] as [String?]) func aWrongContentRangeIsRefused(range: String?)
  {
    guard case .failure(let failure) = judge(head(206, range: range, length: 10)) else {
      Issue.record("accepted: \(range ?? "none")")
      return
    }
    #expect(failure.kind == .badAnswer && failure.remedy == .again)
  }

  @Test func otherOddPartsAreRefused() {
    let odd = [
      judge(head(206, range: "bytes 10-19/100", length: 11)), judge(head(206, range: "bytes 10-19/100", length: 9)),
      judge(head(206, range: "bytes 10-19/100", type: "multipart/byteranges")),
      judge(head(206, range: "bytes 0-99/100"), .all), judge(head(206, range: "bytes 0-9/100"), .last(10)),
      judge(head(206, range: "bytes 90-98/100"), .last(10)), judge(head(206, range: "bytes 40-98/100"), .from(40)),
      judge(head(204)), judge(head(304)), judge(head(412)), judge(head(418)), judge(head(416)),
      judge(head(416, range: "bytes */100")),
    ]
    for (index, result) in odd.enumerated() {
      guard case .failure(let failure) = result else {
        Issue.record("accepted: \(index)")
        continue
      }
      #expect(failure.kind == .badAnswer && failure.remedy == .again, "\(index)")
    }
  }

  @Test func versionsAreHeldTo() throws {
    let known = KnownContent(PackageVersion(size: ByteCount(100), validator: "\"e\""))
    #expect(try judge(head(206, range: "bytes 10-19/100"), known: known).get().part == 10..<20)
    for head in [
      head(206, range: "bytes 10-19/101"), head(206, range: "bytes 10-19/100", etag: "\"f\""),
      head(206, range: "bytes 10-19/100", etag: "W/\"e\""), head(206, range: "bytes 10-19/100", etag: nil),
      head(206, range: "bytes 10-19/100", etag: nil, modified: "\"e\" "), head(200, length: 99),
      head(200, length: 100, etag: nil),
      head(416, range: "bytes */9"), head(416, range: "bytes */0"),
    ] {
      guard case .failure(let failure) = judge(head, known: known) else {
        Issue.record("accepted: \(head)")
        continue
      }
      #expect(failure.kind == .changed && failure.remedy == .none)
    }
    // A version that nobody here can have made.
    let foreign = KnownContent(PackageVersion(size: ByteCount(100), validator: nil))
    #expect(throws: StoreFailure.self) {
      try judge(head(206, range: "bytes 10-19/100", etag: nil), known: foreign).get()
    }
  }

  @Test func validatorsAreChosenInOrder() throws {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT"
    let validator = { (etag: String?, modified: String?) in
      try judge(head(206, range: "bytes 10-19/100", etag: etag, modified: modified)).get().content.validator
    }
    #expect(try validator("\"e\"", date) == "\"e\"")
    #expect(try validator("W/\"e\"", date) == date)
    #expect(try validator(nil, date) == date)
    #expect(try validator("", nil) == "mark")
    #expect(try validator("W/\"e\"", nil) == "mark")
    #expect(try validator(String(repeating: "x", count: 2000), nil) == "mark")
    #expect(!PackageVersion(size: .zero, validator: PackageLease.newMark()).isValidated)
    #expect(PackageVersion(size: .zero, validator: date).isValidated)
    #expect(!PackageVersion(size: .zero, validator: nil).isValidated)
  }

  @Test func theWholeInsteadOfAPart() throws {
    let answer = try judge(head(200, length: 100)).get()
    #expect(answer.isWhole && answer.part == 0..<100)
    let unknown = try judge(head(200), .all).get()
    #expect(unknown.isWhole && unknown.part == nil && unknown.content.version == nil)
    let known = KnownContent(size: 100, validator: "\"e\"")
    #expect(try judge(head(200), .all, known: known).get().part == 0..<100)
    // Of a suffix it only tells the total.
    guard case .failure(let failure) = judge(head(200, length: 100), .last(10)) else { return #expect(Bool(false)) }
    #expect(failure.remedy == .withoutSuffix(total: 100))
  }

  @Test func refusalsHaveTheirRemedies() {
    let expected: [(Int, SourceFailure.Kind, StoreFailure.Remedy)] = [
      (401, .accessDenied, .renew), (403, .accessDenied, .renew), (400, .badAnswer, .renew), (404, .badAnswer, .renew),
      (410, .badAnswer, .renew), (429, .rateLimited, .pause(.rateLimited(retryAfter: nil))),
      (500, .badAnswer, .pause(.passing)), (503, .badAnswer, .pause(.passing)), (408, .badAnswer, .pause(.passing)),
      (501, .badAnswer, .none), (505, .badAnswer, .none),
    ]
    for (status, kind, remedy) in expected {
      guard case .failure(let failure) = judge(head(status)) else { return #expect(Bool(false)) }
      #expect(failure.kind == kind && failure.remedy == remedy, "\(status)")
    }
    for status in [400, 501] {
      guard case .failure(let failure) = judge(head(status), .last(10)) else { return #expect(Bool(false)) }
      #expect(failure.remedy == .withoutSuffix(total: nil))
    }
    guard case .failure(let asked) = judge(head(503, retryAfter: "7")) else { return #expect(Bool(false)) }
    #expect(asked.remedy == .pause(.rateLimited(retryAfter: .seconds(7))))
    guard case .failure(let suffix) = judge(head(416, range: "bytes */100"), .last(10)) else {
      return #expect(Bool(false))
    }
    #expect(suffix.remedy == .withoutSuffix(total: 100))
    guard case .failure(let beyond) = judge(head(416, range: "bytes */10")) else { return #expect(Bool(false)) }
    #expect(beyond.kind == .badAnswer && beyond.remedy == .none)
  }

  @Test func anEmptyContentHasNoRanges() throws {
    for asked in [StoreRange.last(10), .bytes(0..<10)] {
      let answer = try judge(head(416, range: "bytes */0"), asked).get()
      #expect(answer.part == 0..<0 && answer.content.size == 0)
    }
  }

  @Test func patienceEnds() {
    var patience = StorePatience(RetryPolicy(repeats: 2))
    #expect(patience.step(after: .again, hasEnded: false) == .again(after: .zero))
    #expect(patience.step(after: .again, hasEnded: false) == .giveUp)
    #expect(patience.step(after: .renew, hasEnded: false) == .renew)
    #expect(patience.step(after: .renew, hasEnded: false) == .giveUp)
    // Ended by its own word: as often as that may be bad luck.
    var unlucky = StorePatience(RetryPolicy(repeats: 2))
    for _ in 0..<StorePatience.mostEnded { #expect(unlucky.step(after: .renew, hasEnded: true) == .renew) }
    #expect(unlucky.step(after: .renew, hasEnded: true) == .renew)
    #expect(unlucky.step(after: .renew, hasEnded: true) == .giveUp)
    // Progress starts anew, but not for ever.
    var slow = StorePatience(RetryPolicy(repeats: 1))
    var breaks = 0
    while slow.pause(afterBreakWith: 1, mayPass: true) != nil { breaks += 1 }
    #expect(breaks == StorePatience.mostInVain)
    var quick = StorePatience(RetryPolicy(repeats: 0))
    for _ in 0..<10_000 { #expect(quick.pause(afterBreakWith: 64 << 10, mayPass: true) == .zero) }
    #expect(quick.pause(afterBreakWith: 0, mayPass: true) == nil)
    #expect(quick.pause(afterBreakWith: 64 << 10, mayPass: false) == nil)
  }
}
