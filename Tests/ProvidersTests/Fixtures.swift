import Logging
import Synchronization
import Tasks
import Testing

@testable import Providers

let secretText = "sk-mai-never-print-this-0123456789"

/// Things that the tests of this room share.
enum Fixture {
  static func name(_ text: String) throws -> SourceName { try #require(SourceName(text)) }
  static func task(_ text: String) throws -> TaskPath { try #require(TaskPath(parsing: text)) }
  static func key(_ text: String = secretText) throws -> APIKey { try #require(APIKey(text)) }

  static func reply(_ status: Int, _ body: String, headers: [String] = [], type: String = "application/json") -> String
  {
    let lines =
      ["HTTP/1.1 \(status) Whatever", "Content-Type: \(type)", "Content-Length: \(body.utf8.count)"] + headers
    return lines.joined(separator: "\r\n") + "\r\n\r\n" + body
  }

  static func running(_ id: String = "a") -> String {
    """
    {"code":200,"msg":"success","data":{"task_id":"\(id)","status":"running","progress":\
    {"total_episodes":87,"completed_episodes":12}},"failed":false,"success":true}
    """
  }

  static func refused(_ code: Int, _ message: String) -> String {
    "{\"code\":\(code),\"msg\":\"\(message)\",\"data\":null,\"failed\":true,\"success\":false}"
  }

  /// Starts like a zip; nobody looks further here.
  static func archive(_ count: Int) -> [UInt8] {
    // By doubling: test code is not optimized, and megabytes byte by byte would take seconds. 251 is prime, so that no
    // piece that is lost or doubled goes unnoticed.
    var bytes = [0x50, 0x4b, 0x03, 0x04] + (0..<247).map { UInt8($0) }
    while bytes.count < count { bytes += bytes + [UInt8(truncatingIfNeeded: bytes.count >> 8)] }
    return Array(bytes.prefix(count))
  }

  static func archiveHead(_ fields: String...) -> String {
    (["HTTP/1.1 200 OK", "Content-Type: application/zip"] + fields).joined(separator: "\r\n") + "\r\n\r\n"
  }
}

/// A clock that jumps ahead when somebody sleeps, and remembers for how long.
final class JumpingClock: Sendable {
  private let state = Mutex<(now: Duration, sleeps: [Duration])>((.zero, []))

  var sleeps: [Duration] { state.withLock { $0.sleeps } }

  func advance(by time: Duration) {
    state.withLock { $0.now += time }
  }

  var clock: SourceClock {
    SourceClock(
      now: { self.state.withLock { $0.now } },
      sleep: { time in
        self.state.withLock { state in
          state.now += time
          state.sleeps.append(time)
        }
        await Task.yield()
      })
  }
}

/// Keeps every log line with its metadata, at every level.
final class LogCollector: Sendable {
  private let collected = Mutex<[(level: Logger.Level, line: String)]>([])

  var lines: [(level: Logger.Level, line: String)] { collected.withLock { $0 } }

  var logger: Logger {
    Logger(label: "test") { _ in Handler(collector: self) }
  }

  private struct Handler: LogHandler {
    let collector: LogCollector
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let all = metadata.merging(event.metadata ?? [:]) { $1 }
      collector.collected.withLock { $0.append((event.level, "\(event.message) \(all)")) }
    }
  }
}

/// A source that talks to a server on loopback, with everything that has to be ended at the end.
final class Bench: Sendable {
  let source: ScreenplaySource
  let connections: HTTPConnections
  let clock = JumpingClock()
  let logs = LogCollector()

  init(
    port: Int, rate: Double = 0, retries: Int = 4, connect: Duration = .seconds(10), read: Duration = .seconds(30),
    minimumRate: Int = 100, key: (any KeyProvider)? = nil, scheme: String = "http"
  ) throws {
    let network = NetworkSettings(
      connectTimeout: connect, readTimeout: read, retries: retries, minimumRate: minimumRate)
    connections = HTTPConnections(network: network, logger: logs.logger)
    let settings = SourceSettings(
      name: try Fixture.name("screenplay"), endpoint: try EndpointURL("\(scheme)://127.0.0.1:\(port)/serve/api/v2"),
      price: .free, rateLimit: rate)
    let provider = try key ?? FixedKey(Fixture.key())
    source = ScreenplaySource(
      settings: settings, key: provider, network: network, connections: connections, logger: logs.logger,
      clock: clock.clock)
  }

  func status(_ id: String = "a") async -> Result<TaskStatus, SourceFailure> {
    do {
      return .success(try await source.status(of: try Fixture.task("screenplay/\(id)")))
    } catch {
      return .failure(error as? SourceFailure ?? SourceFailure(.badAnswer, "not a SourceFailure: \(error)"))
    }
  }

  func download(_ id: String = "a") async -> Result<any ByteStream, SourceFailure> {
    do {
      return .success(try await source.download(try Fixture.task("screenplay/\(id)")))
    } catch {
      return .failure(error as? SourceFailure ?? SourceFailure(.badAnswer, "not a SourceFailure: \(error)"))
    }
  }

  func shutdown() async { await connections.shutdown() }
}

extension Result where Failure == SourceFailure {
  var failure: SourceFailure? {
    if case .failure(let failure) = self { failure } else { nil }
  }
}

/// Waits for something that must come, and fails after a time that no machine needs.
func eventually(_ isSo: () -> Bool, at location: SourceLocation = #_sourceLocation) async throws {
  struct NeverCame: Error {}
  let end = ContinuousClock.now + .seconds(60)
  while !isSo() {
    guard ContinuousClock.now < end else {
      Issue.record("it never came", sourceLocation: location)
      throw NeverCame()
    }
    try await Task.sleep(for: .milliseconds(2))
  }
}

/// Reads to the end: the bytes, and the failure that ended them, if one did.
func drain(_ stream: any ByteStream) async -> (bytes: [UInt8], failure: SourceFailure?) {
  var bytes: [UInt8] = []
  do {
    while let more = try await stream.next() { bytes += more }
    return (bytes, nil)
  } catch {
    return (bytes, error)
  }
}
