import Tasks
import Testing

@testable import Providers

/// The liberal reading of the envelope, case by case (APIS.md, "Envelope").
@Suite struct ScreenplayAnswerTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let http: Int
    let body: String
    let kind: SourceFailure.Kind?
    var testDescription: String { "HTTP \(http) \(body.prefix(70))" }

    init(_ http: Int, _ body: String, _ kind: SourceFailure.Kind?) {
      (self.http, self.body, self.kind) = (http, body, kind)
    }
  }

  static let good = "\"data\":{\"task_id\":\"a\",\"status\":\"completed\"}"

  static let statusCases: [Case] = [
    // Success, in all the ways that pages show it.
    Case(200, "{\"code\":200,\"msg\":\"success\",\(good),\"failed\":false,\"success\":true}", nil),
    Case(200, "{\"code\":\"0000\",\"msg\":\"success\",\(good),\"failed\":false,\"success\":true}", nil),
    Case(200, "{\"code\":\"0000\",\(good)}", nil),
    Case(200, "{\"code\":0,\(good)}", nil),
    Case(200, "{\"code\":200,\(good)}", nil),
    Case(200, "{\"success\":true,\(good)}", nil),
    Case(200, "{\"failed\":false,\(good)}", nil),
    Case(200, "{\"success\":\"true\",\"failed\":0,\(good)}", nil),
    Case(200, "{\(good)}", nil),
    Case(201, "{\"code\":200,\(good),\"success\":true}", nil),
    Case(200, "{\"code\":null,\"msg\":null,\(good),\"success\":true,\"extra\":[1,{}]}", nil),
    Case(200, " \r\n\t{\"success\":true,\"data\":{\"status\":\"pending\"}}", nil),
    Case(200, "{\"success\":true,\"data\":{\"task_id\":\"a\",\"status\":\"running\",\"progress\":\"soon\"}}", nil),
    // Failures inside HTTP 200.
    Case(200, "{\"code\":400,\"msg\":\"Task not found for id: a\",\"failed\":true,\"success\":false}", .noSuchTask),
    Case(200, "{\"code\":\"0404\",\"msg\":\"TASK NOT FOUND for id: a\"}", .noSuchTask),
    Case(200, "{\"code\":200,\"msg\":\"Task not found for id: a\",\"failed\":true}", .noSuchTask),
    Case(200, "{\"code\":401,\"msg\":\"bad key\",\"success\":false}", .accessDenied),
    Case(200, "{\"code\":\"403\"}", .accessDenied),
    Case(200, "{\"code\":402,\"success\":false}", .insufficientBalance),
    Case(200, "{\"code\":429,\"success\":false}", .rateLimited),
    Case(200, "{\"code\":500,\"msg\":\"oops\",\"success\":false}", .badAnswer),
    Case(200, "{\"code\":200,\(good),\"success\":true,\"failed\":true}", .badAnswer),
    Case(200, "{\"code\":\"9999\",\(good)}", .badAnswer),
    Case(200, "{\"code\":\"error\",\(good)}", .badAnswer),
    // Failures with the HTTP status to match, or not to.
    Case(400, "{\"code\":400,\"msg\":\"Task not found for id: a\",\"failed\":true,\"success\":false}", .noSuchTask),
    Case(404, "{\"code\":404,\"msg\":\"Task not found for id: a\",\"failed\":true,\"success\":false}", .noSuchTask),
    Case(500, "{\"code\":400,\"msg\":\"Task not found for id: a\"}", .noSuchTask),
    Case(400, "{\"code\":400,\"msg\":\"Task is not completed yet, current status: running\"}", .notCompleted),
    Case(400, "{\"code\":400,\"msg\":\"No result data available for this task.\"}", .noResults),
    Case(400, "{\"code\":400,\"msg\":\"No downloadable files found for this task.\"}", .noResults),
    Case(
      400, "{\"code\":400,\"msg\":\"Insufficient balance to download the resource. Please recharge and try again.\"}",
      .insufficientBalance),
    Case(400, "{\"code\":400,\"message\":\"Task not found for id: a\"}", .noSuchTask),
    Case(400, "{\"code\":400,\"data\":\"Task not found for id: a\"}", .noSuchTask),
    Case(401, "{\"code\":401,\"msg\":\"Unauthorized\"}", .accessDenied),
    Case(401, "nope", .accessDenied),
    Case(402, "{\"code\":402,\"msg\":\"pay\"}", .insufficientBalance),
    Case(403, "<html>", .accessDenied),
    Case(429, "", .rateLimited),
    Case(405, "{\"code\":405,\"msg\":\"Method not allowed\"}", .badAnswer),
    Case(409, "{\"code\":409,\"msg\":\"Conflict\"}", .badAnswer),
    Case(415, "{\"code\":415}", .badAnswer),
    Case(500, "{\"code\":500,\"msg\":\"Internal\"}", .badAnswer),
    Case(503, "<html>", .badAnswer),
    Case(400, "{\"code\":200,\(good),\"success\":true}", .badAnswer),
    // "Can't reach" is never "does not exist": a 404 proves nothing by itself.
    Case(404, "<html>Not Found</html>", .badAnswer),
    Case(404, "{\"timestamp\":1,\"status\":404,\"error\":\"Not Found\"}", .badAnswer),
    Case(404, "{\"code\":404,\"msg\":\"Not Found\",\"success\":false}", .badAnswer),
    // Answers that say nothing that can be used.
    Case(200, "{\"code\":200,\"success\":true}", .badAnswer),
    Case(200, "{\"code\":200,\"success\":true,\"data\":null}", .badAnswer),
    Case(200, "{\"code\":200,\"success\":true,\"data\":{\"task_id\":\"a\"}}", .badAnswer),
    Case(200, "{\"code\":200,\"success\":true,\"data\":{\"task_id\":\"a\",\"status\":\"\"}}", .badAnswer),
    Case(200, "{\"code\":200,\"success\":true,\"data\":{\"task_id\":\"b\",\"status\":\"completed\"}}", .badAnswer),
    Case(200, "{}", .badAnswer),
    Case(200, "", .badAnswer),
    Case(200, "[1,2]", .badAnswer),
    Case(200, "\"ok\"", .badAnswer),
    Case(200, "<html>Please log in</html>", .badAnswer),
    Case(200, "{\"code\":200,\"success\":true,", .badAnswer),
    Case(200, "{\"code\":200,\"data\":" + String(repeating: "[", count: 200_000), .badAnswer),
    Case(200, String(repeating: "{\"data\":", count: 100_000), .badAnswer),
    Case(204, "", .badAnswer),
  ]

  @Test(arguments: statusCases) func status(_ expected: Case) throws {
    let head = AnswerHead(status: expected.http)
    let body = Array(expected.body.utf8)
    switch ScreenplayAnswer.status(head, body, taskID: "a") {
    case .success(let status):
      #expect(expected.kind == nil)
      #expect(status.raw == body)
    case .failure(let refusal):
      #expect(refusal.kind == expected.kind)
      #expect(refusal.billing == .notBilled)
    }
  }

  @Test func everyDocumentedFieldIsRead() throws {
    let running = ScreenplayAnswer.status(
      AnswerHead(status: 200), Array(Fixture.running().utf8), taskID: "a")
    #expect(try running.get().progress == .episodes(completed: 12, total: 87))
    let body = """
      {"code":200,"data":{"task_id":"a","status":"failed","error_code":1042,"error_message":"No audio"},"success":true}
      """
    let failed = try ScreenplayAnswer.status(AnswerHead(status: 200), Array(body.utf8), taskID: "a").get()
    #expect(failed.state == .failed)
    #expect(failed.errorCode == "1042")
    #expect(failed.errorMessage == "No audio")
    #expect(failed.progress == nil)
  }

  @Test func absurdNumbersAreNoProgressAndNoCrash() throws {
    for progress in [
      "{\"total_episodes\":-1,\"completed_episodes\":0}", "{\"total_episodes\":1e400,\"completed_episodes\":1}",
      "{\"total_episodes\":99999999999999999999,\"completed_episodes\":1}", "{\"total_episodes\":1}", "[]", "null",
    ] {
      let body = "{\"success\":true,\"data\":{\"status\":\"running\",\"progress\":\(progress)}}"
      let status = try ScreenplayAnswer.status(AnswerHead(status: 200), Array(body.utf8), taskID: "a").get()
      #expect(status.progress == nil, "\(progress)")
    }
    let texts =
      "{\"success\":true,\"data\":{\"status\":\"running\",\"progress\":{\"total_episodes\":\"9\",\"completed_episodes\":3}}}"
    let status = try ScreenplayAnswer.status(AnswerHead(status: 200), Array(texts.utf8), taskID: "a").get()
    #expect(status.progress == .episodes(completed: 3, total: 9))
  }

  @Test func whatPassesIsToldFromWhatDoesNot() {
    for (http, passes) in [
      (429, true), (500, true), (503, true), (408, true), (400, false), (404, false), (200, false),
    ] {
      let result = ScreenplayAnswer.status(AnswerHead(status: http), Array("x".utf8), taskID: "a")
      guard case .failure(let refusal) = result else { continue }
      #expect(refusal.mayPass == passes, "HTTP \(http)")
    }
  }

  struct Bill: Sendable, CustomTestStringConvertible {
    let http: Int
    let body: String
    let kind: SourceFailure.Kind
    let billing: SourceFailure.Billing
    var testDescription: String { "HTTP \(http) \(body)" }

    init(_ http: Int, _ body: String, _ kind: SourceFailure.Kind, _ billing: SourceFailure.Billing) {
      (self.http, self.body, self.kind, self.billing) = (http, body, kind, billing)
    }
  }

  static let bills: [Bill] = [
    Bill(200, Fixture.refused(400, "Task is not completed yet, current status: running"), .notCompleted, .notBilled),
    Bill(200, Fixture.refused(402, "x"), .insufficientBalance, .notBilled),
    Bill(400, Fixture.refused(400, "Task not found for id: a"), .noSuchTask, .notBilled),
    Bill(500, Fixture.refused(500, "Internal"), .badAnswer, .notBilled),
    Bill(502, Fixture.refused(500, "Internal"), .badAnswer, .notBilled),
    Bill(500, "{\"status\":500,\"error\":\"Internal Server Error\"}", .badAnswer, .notBilled),
    Bill(401, "", .accessDenied, .notBilled),
    Bill(429, "slow down", .rateLimited, .notBilled),
    Bill(404, "<html>", .badAnswer, .notBilled),
    Bill(503, "<html>", .badAnswer, .notBilled),
    Bill(304, "", .badAnswer, .unknown),
    // Nobody knows what the server behind a gateway did.
    Bill(408, "", .badAnswer, .unknown),
    Bill(502, "<html>", .badAnswer, .unknown),
    Bill(504, "{\"message\":\"Endpoint request timed out\"}", .badAnswer, .unknown),
    Bill(500, "<html>", .badAnswer, .unknown),
    // Sent with success, and not an archive.
    Bill(200, "{\"code\":200,\"success\":true}", .badAnswer, .unknown),
    Bill(200, "{}", .badAnswer, .unknown),
    Bill(200, "<html>", .badAnswer, .unknown),
    Bill(200, "", .badAnswer, .unknown),
  ]

  @Test(arguments: bills) func download(_ expected: Bill) {
    let refusal = ScreenplayAnswer.notAnArchive(AnswerHead(status: expected.http), Array(expected.body.utf8))
    #expect(refusal.kind == expected.kind)
    #expect(refusal.billing == expected.billing)
  }

  @Test func archivesStartLikeArchives() {
    #expect(ScreenplayAnswer.isArchive([0x50, 0x4b, 3, 4, 0]))
    #expect(ScreenplayAnswer.isArchive([0x50, 0x4b, 5, 6]))
    #expect(ScreenplayAnswer.isArchive([0x50, 0x4b, 7, 8]))
    for other in [[], [0x50], [0x50, 0x4b, 3], [0x50, 0x4b, 0x20, 0x20], Array("{\"co".utf8), [0x1f, 0x8b, 8, 0]] {
      #expect(!ScreenplayAnswer.isArchive(other as [UInt8]))
    }
  }
}

extension AnswerHead {
  init(status: Int) {
    self.init(status: status, contentType: nil, contentLength: nil, retryAfter: nil, location: nil)
  }
}
