/// The orders that concern the Pixxel API and the store. KEY is `workflow/job/task`, or `workflow/job` for a job's own package.
///
/// - `GET /_simulator/workflows`: all of them, with their jobs and tasks and the present states
/// - `PUT /_simulator/workflows/W`, `.../W/jobs/J`, `.../W/jobs/J/tasks/T`: adds or changes one (``WorkflowOrder``, ``JobOrder``,
///   ``PixxelTaskOrder``), with what it stands in
/// - `DELETE` of the same: makes it unknown
/// - `POST /_simulator/urls/KEY`: a new signed address, as the API would give it
/// - `POST /_simulator/versions/KEY`: puts the package's next version in its place
/// - `POST /_simulator/expire/KEY`, and `/_simulator/expire` for all: the addresses that were signed are past their time
/// - `GET /_simulator/packages`: what the store sent of each package: bytes, bytes sent more than once, and for every answer the
///   request's number, the version, the offset and how many bytes
struct PixxelAdministration {
  let state: SimulatorState

  /// nil for an order of another kind.
  func answer(_ method: String, _ parts: [String], _ body: [UInt8]) throws -> JSONText? {
    let key = parts.dropFirst().joined(separator: "/")
    switch (method, parts.first) {
    case ("GET", "workflows") where parts.count == 1: return workflows()
    case ("GET", "packages") where parts.count == 1: return packages()
    case ("PUT", "workflows"), ("DELETE", "workflows"): return try change(method, Array(parts.dropFirst()), body)
    case ("POST", "urls"): return try sign(key)
    case ("POST", "versions"): state.with { $0.store.switchVersion(of: key) }
    case ("POST", "expire"): state.expire(key.isEmpty ? nil : key)
    default: return nil
    }
    return AdministrationAPI.done
  }

  private func sign(_ key: String) throws -> JSONText {
    let (now, wallClock) = (SimulatorState.monotonic(), SimulatorState.wallClock())
    guard let url = state.with({ $0.store.sign(key, now: now, clock: $0.clock.seconds(wallClock)) }) else {
      throw Refusal(description: "\(key): no such package")
    }
    return .object([("url", .string(url))])
  }

  // MARK: Changing what there is

  private func change(_ method: String, _ parts: [String], _ body: [UInt8]) throws -> JSONText? {
    let isDeletion = method == "DELETE"
    switch parts.count {
    case 1 where isDeletion: state.with { $0.removeWorkflow(parts[0]) }
    case 1:
      let order = try AdministrationAPI.decode(Strict<WorkflowOrder>.self, body).value
      try change(parts[0]) { order.apply(to: &$0) }
    case 3 where parts[1] == "jobs" && isDeletion: try change(parts[0]) { $0.jobs.removeAll { $0.id == parts[2] } }
    case 3 where parts[1] == "jobs":
      let order = try AdministrationAPI.decode(Strict<JobOrder>.self, body).value
      try change(parts[0]) { try $0.change(job: parts[2]) { try order.apply(to: &$0) } }
    case 5 where parts[1] == "jobs" && parts[3] == "tasks" && isDeletion:
      try change(parts[0]) { try $0.change(job: parts[2]) { $0.tasks.removeAll { $0.id == parts[4] } } }
    case 5 where parts[1] == "jobs" && parts[3] == "tasks":
      let order = try AdministrationAPI.decode(Strict<PixxelTaskOrder>.self, body).value
      try change(parts[0]) { workflow in
        try workflow.change(job: parts[2]) { try $0.change(task: parts[4]) { try order.apply(to: &$0) } }
      }
    default: return nil
    }
    return AdministrationAPI.done
  }

  /// Changes a workflow, a new one if there is none of this id.
  private func change(_ id: String, _ body: (inout SimulatedWorkflow) throws -> Void) throws {
    var workflow = state.with { $0.pixxel.workflow(id) } ?? SimulatedWorkflow(id: id)
    try body(&workflow)
    let (changed, now) = (workflow, SimulatorState.monotonic())
    state.with { $0.put(changed, now: now) }
  }

  // MARK: Telling what there is

  private func workflows() -> JSONText {
    let now = SimulatorState.monotonic()
    let (workflows, pixxel) = state.with { ($0.pixxel.workflows, $0.pixxel) }
    return .array(
      workflows.map { workflow in
        .object([
          ("workflow_id", .string(workflow.id)), ("name", workflow.name.map { .string($0) } ?? .null),
          ("jobs", .array(workflow.jobs.map { job($0, workflow.id, pixxel, now) })),
        ])
      })
  }

  private func job(_ job: SimulatedJob, _ workflow: String, _ pixxel: PixxelModel, _ now: Double) -> JSONText {
    let tasks = job.tasks.map { task -> JSONText in
      let key = "\(workflow)/\(job.id)/\(task.id)"
      return .object([
        ("task_id", .string(task.id)), ("name", task.name.map { .string($0) } ?? .null),
        ("status", .string(pixxel.state(of: task, key, now: now).word)), ("key", .string(key)),
        ("package", task.package.map { .string($0.name) } ?? .null),
      ])
    }
    return .object([
      ("job_id", .string(job.id)), ("name", job.name.map { .string($0) } ?? .null), ("tasks", .array(tasks)),
    ])
  }

  private func packages() -> JSONText {
    let tallies = state.with { $0.counters.packages }
    return .object(
      tallies.sorted { $0.key < $1.key }.map { key, tally in
        let runs = tally.runs.map { run in
          JSONText.array([
            .int(Int64(run.request)), .int(Int64(run.version)), .int(run.offset), .int(run.count),
          ])
        }
        return (
          key,
          .object([
            ("bytes_sent", .int(tally.bytesSent)), ("bytes_sent_twice", .int(tally.bytesSentTwice)),
            ("runs", .array(runs)),
          ])
        )
      })
  }
}

extension SimulatedWorkflow {
  /// Changes a job, a new one if there is none of this id.
  mutating func change(job id: String, _ body: (inout SimulatedJob) throws -> Void) throws {
    if !jobs.contains(where: { $0.id == id }) { jobs.append(SimulatedJob(id: id)) }
    for index in jobs.indices where jobs[index].id == id { try body(&jobs[index]) }
  }
}

extension SimulatedJob {
  /// Changes a task, a new and pending one if there is none of this id.
  mutating func change(task id: String, _ body: (inout SimulatedPixxelTask) throws -> Void) throws {
    if !tasks.contains(where: { $0.id == id }) { tasks.append(SimulatedPixxelTask(id: id, state: .pending)) }
    for index in tasks.indices where tasks[index].id == id { try body(&tasks[index]) }
  }
}
