import Logging
import Synchronization
import Tasks
import Testing

@testable import Providers

/// A Pixxel source that talks to servers on loopback, with everything that has to be ended at the end.
final class PixxelBench: Sendable {
  let source: PixxelSource
  let connections: HTTPConnections
  let clock = JumpingClock()
  let logs = LogCollector()

  init(
    port: Int, retries: Int = 4, read: Duration = .seconds(30), key: (any KeyProvider)? = nil,
    authorization: KeyAuthorization = .raw
  ) throws {
    let network = NetworkSettings(readTimeout: read, retries: retries)
    connections = HTTPConnections(network: network, logger: logs.logger)
    source = PixxelSource(
      settings: SourceSettings(
        name: try Fixture.name("pixxel"), endpoint: try EndpointURL("http://127.0.0.1:\(port)"), price: .free,
        rateLimit: 0, authorization: authorization), key: try key ?? FixedKey(Fixture.key()), network: network,
      connections: connections, logger: logs.logger, clock: clock.clock)
  }

  func children(_ group: String...) async -> Result<[TaskListing], SourceFailure> {
    do throws(SourceFailure) {
      return .success(try await source.children(of: group))
    } catch {
      return .failure(error)
    }
  }

  func status(_ path: String = "w/j/t") async -> Result<TaskStatus, SourceFailure> {
    do {
      return .success(try await source.status(of: try Fixture.task("pixxel/\(path)")))
    } catch {
      return .failure(error as? SourceFailure ?? SourceFailure(.badAnswer, "not a SourceFailure: \(error)"))
    }
  }

  func package(_ path: String = "w/j/t") async -> Result<any TaskPackage, SourceFailure> {
    do {
      return .success(try await source.package(of: try Fixture.task("pixxel/\(path)")))
    } catch {
      return .failure(error as? SourceFailure ?? SourceFailure(.badAnswer, "not a SourceFailure: \(error)"))
    }
  }

  func shutdown() async { await connections.shutdown() }
}

/// What a signed URL of these tests has for a signature; it must be seen nowhere but in requests.
let signature = "5ec2e7-signature"

extension Fixture {
  /// The answer to a PUT: an address at the server that was asked.
  static func ready(_ request: ScriptedServer.Request) -> String {
    let url = "http://\(request.headers["host"] ?? "")/a?sig=\(signature)"
    return reply(200, "{\"id\":\"t\",\"status\":\"ready\",\"signed_url\":\"\(url)\"}")
  }
}

/// An object store that does what a test says, on a ``ScriptedServer``. It also plays the API: a PUT gives the next signed URL.
final class ObjectStore: Sendable {
  struct Behaviour: Sendable {
    var content: [UInt8] = []
    var etag: String? = "\"v1\""
    var lastModified: String?
    var disposition: String?
    var honoursRanges = true
    /// nil: suffix ranges are understood; 200: ignored; else refused with this status.
    var suffixStatus: Int?
    /// The connection is reset after so many bytes of a body.
    var resetAfter: Int?
    /// The connection is left silent after so many bytes of a body.
    var stallAfter: Int?
    var isChunked = false
    /// Whether a body's length is told.
    var tellsLength = true
    /// Puts another Content-Range, or none, in the place of the right one.
    var contentRange: (@Sendable (String) -> String?)?
    /// Header lines that come on top.
    var more: [String] = []
    /// Signed URLs that are accepted: the numbers of their PUTs.
    var accepted: @Sendable (Int) -> Bool = { _ in true }
    var refusal = 403
    /// What comes behind the number in the query of a signed URL.
    var query: @Sendable (Int) -> String = { _ in "" }
    /// Called with the number of each PUT, before it is answered.
    var beforePut: (@Sendable (Int) -> Void)?
    /// Called with the number of each GET, before it is answered.
    var beforeAnswer: (@Sendable (Int, inout Behaviour) -> Void)?
  }

  private let state: Mutex<(behaviour: Behaviour, puts: Int, gets: Int)>
  let server: ScriptedServer

  init(_ behaviour: Behaviour) throws {
    state = Mutex((behaviour, 0, 0))
    let answerer = Weak<ObjectStore>()
    server = try ScriptedServer { connection in
      while let request = connection.readRequest() {
        guard let store = answerer.value, store.answer(request, connection) else { return }
      }
    }
    answerer.set(self)
  }

  convenience init(_ content: [UInt8], _ change: (inout Behaviour) -> Void = { _ in }) throws {
    var behaviour = Behaviour(content: content)
    change(&behaviour)
    try self.init(behaviour)
  }

  func change(_ change: (inout Behaviour) -> Void) {
    state.withLock { change(&$0.behaviour) }
  }

  var puts: Int { state.withLock { $0.puts } }
  var gets: [ScriptedServer.Request] { server.requests.filter { $0.method == "GET" } }
  var ranges: [String] { gets.map { $0.headers["range"] ?? "all" } }

  /// False when the connection has to be closed.
  private func answer(_ request: ScriptedServer.Request, _ connection: ServerConnection) -> Bool {
    guard request.method == "GET" else {
      return request.method == "PUT"
        ? connection.send(putAnswer()) : connection.send(Fixture.reply(403, "", type: "application/xml"))
    }
    let behaviour = state.withLock { state in
      state.gets += 1
      let before = state.behaviour.beforeAnswer
      before?(state.gets, &state.behaviour)
      return state.behaviour
    }
    guard let number = Self.number(request.target), behaviour.accepted(number) else {
      // As S3 does: it quotes what was signed.
      let body = "<Error><Code>AccessDenied</Code><StringToSign>\(request.target)</StringToSign></Error>"
      return connection.send(Fixture.reply(behaviour.refusal, body, type: "application/xml"))
    }
    return Self.send(behaviour, range: request.headers["range"], connection)
  }

  private func putAnswer() -> String {
    let (number, behaviour) = state.withLock { state in
      state.puts += 1
      return (state.puts, state.behaviour)
    }
    behaviour.beforePut?(number)
    let query = behaviour.query(number)
    let url = "http://127.0.0.1:\(server.port)/bucket/results%20of%20t.zip?sig=\(signature)&n=\(number)\(query)"
    return Fixture.reply(
      200, "{\"id\":\"t\",\"job_id\":\"j\",\"workflow_id\":\"w\",\"status\":\"ready\",\"signed_url\":\"\(url)\"}")
  }

  private static func number(_ target: String) -> Int? {
    guard target.contains("sig=\(signature)"), let mark = target.firstRange(of: "&n=") else { return nil }
    return Int(target[mark.upperBound...].prefix { $0.isNumber })
  }

  private static func send(_ behaviour: Behaviour, range: String?, _ connection: ServerConnection) -> Bool {
    let total = behaviour.content.count
    guard let range, behaviour.honoursRanges else { return sendBody(behaviour, 0..<total, nil, connection) }
    let ends = range.dropFirst("bytes=".count).split(separator: "-", omittingEmptySubsequences: false)
    let part: Range<Int>
    if ends[0].isEmpty {
      if behaviour.suffixStatus == 200 { return sendBody(behaviour, 0..<total, nil, connection) }
      if let status = behaviour.suffixStatus { return connection.send(Fixture.reply(status, "")) }
      part = max(0, total - (Int(ends[1]) ?? 0))..<total
    } else {
      let first = Int(ends[0]) ?? 0
      part = min(first, total)..<min(total, (Int(ends[1]) ?? total) + 1)
    }
    guard !part.isEmpty else {
      return connection.send(Fixture.reply(416, "<Error/>", headers: ["Content-Range: bytes */\(total)"]))
    }
    let right = "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(total)"
    return sendBody(behaviour, part, behaviour.contentRange.map { $0(right) } ?? right, connection, isPart: true)
  }

  private static func sendBody(
    _ behaviour: Behaviour, _ part: Range<Int>, _ contentRange: String?, _ connection: ServerConnection,
    isPart: Bool = false
  ) -> Bool {
    var lines = ["HTTP/1.1 \(isPart ? 206 : 200) Whatever", "Content-Type: application/zip"] + behaviour.more
    if let contentRange { lines.append("Content-Range: \(contentRange)") }
    if let etag = behaviour.etag { lines.append("ETag: \(etag)") }
    if let date = behaviour.lastModified { lines.append("Last-Modified: \(date)") }
    if let disposition = behaviour.disposition { lines.append("Content-Disposition: \(disposition)") }
    if behaviour.isChunked {
      lines.append("Transfer-Encoding: chunked")
    } else if behaviour.tellsLength {
      lines.append("Content-Length: \(part.count)")
    }
    var body = Array(behaviour.content[part])
    let isCut = [behaviour.resetAfter, behaviour.stallAfter].compactMap(\.self).contains { $0 < part.count }
    if let cut = behaviour.resetAfter ?? behaviour.stallAfter { body = Array(body.prefix(cut)) }
    guard connection.send(lines.joined(separator: "\r\n") + "\r\n\r\n") else { return false }
    if behaviour.isChunked { connection.send(String(body.count, radix: 16) + "\r\n") }
    guard connection.send(body) else { return false }
    if isCut {
      if behaviour.resetAfter != nil { connection.resetOnClose() } else { connection.waitForClose() }
      return false
    }
    if behaviour.isChunked { connection.send("\r\n0\r\n\r\n") }
    return behaviour.isChunked || behaviour.tellsLength
  }
}

/// Breaks the circle between a store and its server.
private final class Weak<Value: AnyObject & Sendable>: Sendable {
  private struct Box: Sendable {
    weak var value: Value?
  }

  private let box = Mutex(Box())

  var value: Value? { box.withLock { $0.value } }
  func set(_ value: Value) { box.withLock { $0.value = value } }
}
