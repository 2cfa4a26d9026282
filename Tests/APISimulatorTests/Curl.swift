import Foundation
import TestSupport

@testable import APISimulator

/// An answer as curl saw it.
struct CurlAnswer {
  /// curl's own exit status: 0 for a complete answer.
  let exit: Int32
  let status: Int
  let headers: [String: String]
  let body: [UInt8]
  /// Seconds from the start to the first byte and to the last.
  let firstByte: Double
  let total: Double

  var text: String { String(decoding: body, as: UTF8.self) }

  /// The text of a member of the JSON object that the body is; "" where there is none.
  func member(_ name: String) -> String {
    let object = (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any]
    return object?[name] as? String ?? ""
  }
}

/// Requests over real HTTP, made by curl so that the client shares nothing with the server.
struct Curl {
  var key: String? = "sk-test"
  /// Further header fields, `Name: value`.
  var headers: [String] = []
  /// Further options.
  var options: [String] = []

  /// A request to the store: without a key, and for a part.
  static func range(_ range: String) -> Self { Self(key: nil, headers: ["Range: bytes=\(range)"]) }

  /// A request to the store.
  static let keyless = Self(key: nil)

  func get(_ url: String) async throws -> CurlAnswer { try await send("GET", url) }

  func send(_ method: String, _ url: String, body: String? = nil) async throws -> CurlAnswer {
    try await begin(method, url, body: body).answer()
  }

  /// Starts a request that is watched while it runs.
  func begin(_ method: String, _ url: String, body: String? = nil) async throws -> CurlRequest {
    let directory = try TemporaryDirectory("curl")
    // -N writes what arrives at once, so that the file shows how far it has come.
    var arguments = [
      "-sSNg", "-o", method == "HEAD" ? "/dev/null" : directory.file("body"), "-D", directory.file("head"),
      "-w", "%{http_code} %{time_starttransfer} %{time_total}",
    ]
    // A method of HEAD alone would make curl wait for a body; with -I it writes the head where the body belongs.
    arguments += method == "HEAD" ? ["-I"] : ["-X", method]
    arguments += headers.flatMap { ["-H", $0] } + options
    if let key { arguments += ["-H", "Authorization: \(key)"] }
    if let body { arguments += ["--data-binary", body, "-H", "Content-Type: application/json"] }
    // The deadline only ends a hang.
    let child = try await ChildProcess.start("curl", arguments + [url], timeout: 200)
    return CurlRequest(child: child, directory: directory)
  }
}

/// A request that may still be running.
struct CurlRequest {
  fileprivate let child: ChildProcess
  fileprivate let directory: TemporaryDirectory

  /// The body's bytes that have arrived.
  var received: Int {
    var status = stat()
    return stat(directory.file("body"), &status) == 0 ? Int(status.st_size) : 0
  }

  var isRunning: Bool { child.isRunning }

  func kill() { child.send(SIGKILL) }

  /// Waits for its end.
  func answer() async -> CurlAnswer {
    let outcome = await child.outcome()
    let fields = outcome.output.split(separator: " ").compactMap { Double($0) }
    var headers: [String: String] = [:]
    for line in String(decoding: contents("head"), as: UTF8.self).split(whereSeparator: \.isNewline) {
      // Of several answers, as with redirects, the last one's.
      if line.hasPrefix("HTTP/") { headers = [:] }
      guard let colon = line.firstIndex(of: ":") else { continue }
      headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
    }
    return CurlAnswer(
      exit: outcome.status, status: Int(fields.first ?? 0), headers: headers, body: contents("body"),
      firstByte: fields.count > 1 ? fields[1] : 0, total: fields.count > 2 ? fields[2] : 0)
  }

  private func contents(_ name: String) -> [UInt8] {
    [UInt8](FileManager.default.contents(atPath: directory.file(name)) ?? Data())
  }
}

/// Looks again and again until something is so; the deadline, far off, only ends a hang.
func eventually(_ condition: () -> Bool) async throws -> Bool {
  for _ in 0..<6_000 {
    if condition() { return true }
    try await Task.sleep(for: .milliseconds(20))
  }
  return condition()
}

/// Where two byte sequences begin to differ, or nil if they don't. A failed comparison of the bytes themselves would print them all.
func difference(_ left: [UInt8], _ right: [UInt8]) -> Int? {
  if left == right { return nil }
  return zip(left, right).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(left.count, right.count)
}

/// Runs `body` with a started simulator and stops it afterwards, whatever happens.
func withSimulator(
  _ tasks: [SimulatedTask] = [], workflows: [SimulatedWorkflow] = [],
  configure: (inout APISimulator.Configuration) -> Void = { _ in },
  _ body: (APISimulator) async throws -> Void
) async throws {
  var configuration = APISimulator.Configuration()
  configure(&configuration)
  let simulator = APISimulator(configuration, tasks: tasks, workflows: workflows)
  try await simulator.start()
  do {
    try await body(simulator)
  } catch {
    await simulator.stop()
    throw error
  }
  await simulator.stop()
}

extension APISimulator {
  func statusURL(_ id: String) -> String { "\(endpoint)/screenplay/tasks/\(id)" }
  func pixxelURL(_ path: String) -> String { "\(pixxelEndpoint)/v0/workflows\(path)" }

  /// Asks the API for the download of `workflow/job/task` and returns the signed address.
  func askForURL(_ key: String) async throws -> String {
    let ids = key.split(separator: "/")
    let answer = try await Curl().send("PUT", pixxelURL("/\(ids[0])/jobs/\(ids[1])/tasks/\(ids[2])/download"))
    return answer.member("signed_url")
  }

  func downloadURL(_ id: String) -> String { "\(endpoint)/screenplay/tasks/\(id)/download" }
}
