/// The Pixxel API's JSON, with its keys in the order of its documentation.
enum PixxelAnswers {
  static func failure(_ code: String, _ message: String) -> JSONText {
    .object([("error", .object([("code", .string(code)), ("message", .string(message)), ("details", .null)]))])
  }

  /// What a status says that a fault has asked for.
  static func failure(_ status: Int, message: String?, code: String? = nil) -> JSONText {
    let (word, text): (String, String) =
      switch status {
      case 401: ("unauthorized", "Unauthorized.")
      case 403: ("forbidden", "Forbidden.")
      case 404: ("not_found", "Not found.")
      case 429: ("too_many_requests", "Too many requests.")
      case 500...: ("internal", "Internal server error.")
      default: ("bad_request", "Bad request.")
      }
    return failure(code ?? word, message ?? text)
  }

  static func workflows(_ page: ArraySlice<SimulatedWorkflow>, limit: Int, offset: Int, total: Int) -> JSONText {
    .object([
      (
        "workflows",
        .array(page.map { .object([("id", .string($0.id)), ("name", text($0.name)), ("created_at", created)]) })
      ),
      (
        "pagination",
        .object([("limit", .int(Int64(limit))), ("offset", .int(Int64(offset))), ("total", .int(Int64(total)))])
      ),
    ])
  }

  static func job(_ job: SimulatedJob, workflow: String, states: [TaskState]) -> [(String, JSONText)] {
    let done = states.map(progress).reduce(0, +) / Double(max(states.count, 1))
    return [
      ("id", .string(job.id)), ("name", text(job.name)), ("workflow_id", .string(workflow)),
      ("status", .string(job.statusWord ?? word(states))),
      // A string here, unlike a task's.
      ("progress", .string(String(Int(done)))), ("created_at", created), ("updated_at", created),
    ]
  }

  static func task(_ task: SimulatedPixxelTask, _ state: TaskState) -> JSONText {
    var (failureType, message, note) = (JSONText.null, JSONText.null, "")
    switch state {
    case .failed(let code, let text): (failureType, message) = (.string(code), .string(text))
    case .running(let completed, let total): note = "\(completed) of \(total) tiles"
    case .pending, .completed, .cancelled: break
    }
    return .object([
      ("id", .string(task.id)), ("name", text(task.name)), ("status", .string(task.statusWord ?? state.word)),
      ("state_msg", .string(note)), ("progress", .double(progress(state))), ("created_at", created),
      ("updated_at", created), ("finished_at", hasEnded(state) ? created : .null), ("err_msg", message),
      ("failure_type", failureType),
    ])
  }

  private static let created = JSONText.string(Moment(Double(SimulatedFile.defaultModified)).iso)

  private static func text(_ text: String?) -> JSONText { text.map { .string($0) } ?? .null }

  private static func progress(_ state: TaskState) -> Double {
    switch state {
    case .running(let completed, let total): Double(completed * 100) / Double(max(total, 1))
    case .completed: 100
    case .pending, .failed, .cancelled: 0
    }
  }

  private static func hasEnded(_ state: TaskState) -> Bool {
    switch state {
    case .completed, .failed, .cancelled: true
    case .pending, .running: false
    }
  }

  /// A job's status, from those of its tasks.
  private static func word(_ states: [TaskState]) -> String {
    if states.allSatisfy({ $0 == .completed }) { return TaskState.completed.word }
    if states.allSatisfy({ $0 == .pending }) { return TaskState.pending.word }
    return states.allSatisfy(hasEnded) ? "failed" : "running"
  }
}
