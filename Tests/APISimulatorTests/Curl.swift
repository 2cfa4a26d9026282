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
}

/// Requests over real HTTP, made by curl so that the client shares nothing with the server.
struct Curl {
  var key: String? = "sk-test"
  /// Seconds after which curl gives up, exit status 28.
  var limit: Double = 100

  func get(_ url: String) async throws -> CurlAnswer { try await send("GET", url) }

  func send(_ method: String, _ url: String, body: String? = nil, extra: [String] = []) async throws -> CurlAnswer {
    let directory = try TemporaryDirectory("curl")
    let (bodyPath, headPath) = (directory.file("body"), directory.file("head"))
    var arguments = [
      "-sS", "-g", "-X", method, "-o", bodyPath, "-D", headPath, "--max-time", String(limit),
      "-w", "%{http_code} %{time_starttransfer} %{time_total}",
    ]
    if let key { arguments += ["-H", "Authorization: \(key)"] }
    if let body { arguments += ["--data-binary", body, "-H", "Content-Type: application/json"] }
    let child = try await ChildProcess.run("curl", arguments + extra + [url], timeout: limit + 20)
    let fields = child.output.split(separator: " ").compactMap { Double($0) }
    var headers: [String: String] = [:]
    for line in String(decoding: FileManager.default.contents(atPath: headPath) ?? Data(), as: UTF8.self)
      .split(whereSeparator: \.isNewline)
    {
      guard let colon = line.firstIndex(of: ":") else { continue }
      headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
    }
    return CurlAnswer(
      exit: child.status, status: Int(fields.first ?? 0), headers: headers,
      body: [UInt8](FileManager.default.contents(atPath: bodyPath) ?? Data()),
      firstByte: fields.count > 1 ? fields[1] : 0, total: fields.count > 2 ? fields[2] : 0)
  }
}

/// Runs `body` with a started simulator and stops it afterwards, whatever happens.
func withSimulator(
  _ tasks: [SimulatedTask] = [], configure: (inout APISimulator.Configuration) -> Void = { _ in },
  _ body: (APISimulator) async throws -> Void
) async throws {
  var configuration = APISimulator.Configuration()
  configure(&configuration)
  let simulator = APISimulator(configuration, tasks: tasks)
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
  func downloadURL(_ id: String) -> String { "\(endpoint)/screenplay/tasks/\(id)/download" }
}
