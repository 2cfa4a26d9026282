import FoundationEssentials
import HummingbirdCore

/// Orders to a running simulator from other processes, as JSON over HTTP. No key is asked for and nothing here is counted,
/// billed or struck by faults.
///
/// - `GET /_simulator/counters`: requests by kind, bytes sent, micro-dollars billed, in all and by task
/// - `GET /_simulator/requests`: the last requests, oldest first
/// - `GET /_simulator/tasks`: ids and present states
/// - `PUT /_simulator/tasks/ID`: adds or changes a task (``TaskOrder``)
/// - `DELETE /_simulator/tasks/ID`: makes it unknown
/// - `/_simulator/workflows`, `packages`, `urls`, `versions`, `expire`: see ``PixxelAdministration``
/// - `GET /_simulator/addresses`: the base URLs of both APIs and of the store
/// - `PUT /_simulator/clock`: what `Date` goes by (``ClockOrder``)
/// - `POST /_simulator/release`: lets all answers go on that are held
/// - `POST /_simulator/faults`: one rule, which is added, or an array of them, which replaces all (``FaultRule``)
/// - `DELETE /_simulator/faults`: no faults any more
/// - `POST /_simulator/reset`: counters and requests from zero, and no faults
struct AdministrationAPI {
  let state: SimulatorState

  func response(_ method: String, _ parts: [String], _ body: [UInt8]) -> Response {
    do {
      guard let json = try answer(method, parts, body) else { return reply(404, refusal("no such order: \(method)")) }
      return reply(200, json)
    } catch let error as DecodingError {
      return reply(400, refusal(Self.explanation(error)))
    } catch {
      return reply(400, refusal("\(error)"))
    }
  }

  private func answer(_ method: String, _ parts: [String], _ body: [UInt8]) throws -> JSONText? {
    if let json = try PixxelAdministration(state: state).answer(method, parts, body) { return json }
    switch (method, parts.first, parts.count) {
    case ("GET", "counters", 1): return Self.json(state.with { $0.counters })
    case ("GET", "requests", 1): return .array(state.with { $0.log }.map(Self.json))
    case ("GET", "tasks", 1): return tasks()
    case ("PUT", "tasks", 2): try Self.decode(Strict<TaskOrder>.self, body).value.apply(to: parts[1], state)
    case ("DELETE", "tasks", 2): state.with { $0.remove(parts[1]) }
    case ("POST", "faults", 1): try addFaults(body)
    case ("DELETE", "faults", 1): state.with { $0.plan = FaultPlan() }
    case ("GET", "addresses", 1): return addresses()
    case ("PUT", "clock", 1):
      let clock = try Self.decode(Strict<ClockOrder>.self, body).value.clock
      state.with { $0.clock = clock }
    case ("POST", "release", 1): state.pen.release()
    case ("POST", "reset", 1):
      state.with {
        $0.resetCounters()
        $0.plan = FaultPlan()
      }
    default: return nil
    }
    return Self.done
  }

  static let done = JSONText.object([("ok", .bool(true))])

  private func addresses() -> JSONText {
    let (api, store) = state.with { ($0.base, $0.store.base) }
    return .object([
      ("screenplay", .string(api + Route.base)), ("pixxel", .string(api)), ("store", .string(store)),
    ])
  }

  private func addFaults(_ body: [UInt8]) throws {
    if body.first(where: { $0 > 0x20 }) == UInt8(ascii: "[") {
      let rules = try Self.decode([Strict<FaultRule>].self, body).map(\.value)
      state.with { $0.plan = FaultPlan(rules) }
    } else {
      let rule = try Self.decode(Strict<FaultRule>.self, body).value
      state.with { $0.plan = FaultPlan($0.plan.rules + [rule]) }
    }
  }

  private func tasks() -> JSONText {
    let now = SimulatorState.monotonic()
    let rows = state.with { model in
      model.tasks.map { ($0.id, model.state(of: $0.id, now: now)?.word ?? "", $0.result.originalBytes) }
    }
    return .array(
      rows.map { .object([("task_id", .string($0.0)), ("status", .string($0.1)), ("original_bytes", .int($0.2))]) })
  }

  private func refusal(_ text: String) -> JSONText { .object([("ok", .bool(false)), ("error", .string(text))]) }

  private func reply(_ status: Int, _ json: JSONText) -> Response {
    Response(
      status: .init(code: status), headers: [.contentType: "application/json"],
      body: .init(byteBuffer: .init(bytes: json.utf8 + [UInt8(ascii: "\n")])))
  }

  static func decode<Value: Decodable>(_ type: Value.Type, _ body: [UInt8]) throws -> Value {
    try JSONDecoder().decode(type, from: Data(body))
  }

  private static func explanation(_ error: DecodingError) -> String {
    let context: DecodingError.Context? =
      switch error {
      case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
        .dataCorrupted(let context):
        context
      @unknown default: nil
      }
    let path = context?.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".") ?? ""
    return (path.isEmpty ? "" : path + ": ") + (context?.debugDescription ?? "\(error)")
  }

  static func json(_ counters: Counters) -> JSONText {
    .object([
      ("total", json(counters.total)),
      ("tasks", .object(counters.tasks.sorted { $0.key < $1.key }.map { ($0.key, json($0.value)) })),
    ])
  }

  private static func json(_ tally: Counters.Tally) -> JSONText {
    .object([
      ("status", .int(Int64(tally.status))), ("download", .int(Int64(tally.download))),
      ("delete", .int(Int64(tally.delete))), ("workflows", .int(Int64(tally.workflows))),
      ("jobs", .int(Int64(tally.jobs))), ("job", .int(Int64(tally.job))), ("put", .int(Int64(tally.put))),
      ("put_job", .int(Int64(tally.putJob))), ("get", .int(Int64(tally.get))), ("head", .int(Int64(tally.head))),
      ("other", .int(Int64(tally.other))),
      ("billed_downloads", .int(Int64(tally.billedDownloads))),
      ("billed_micro_dollars", .int(tally.billedMicroDollars)), ("bytes_sent", .int(tally.bytesSent)),
    ])
  }

  private static func json(_ record: RequestRecord) -> JSONText {
    .object([
      ("number", .int(Int64(record.number))), ("kind", .string(record.kind.rawValue)),
      ("task", record.task.map { .string($0) } ?? .null), ("method", .string(record.method)),
      ("path", .string(record.path)), ("authorization", record.authorization.map { .string($0) } ?? .null),
      ("time", .double(record.time)), ("status", record.status.map { .int(Int64($0)) } ?? .null),
      ("bytes_sent", .int(record.bytesSent)), ("billed_micro_dollars", .int(record.billedMicroDollars)),
      ("completed", record.completed.map { .bool($0) } ?? .null),
      ("host", record.host.map { .string($0) } ?? .null), ("range", record.range.map { .string($0) } ?? .null),
    ])
  }
}
