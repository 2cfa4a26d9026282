extension SimulatorModel {
  mutating func answer(to route: PixxelRoute, _ request: IncomingRequest, now: Double, wallClock: Double) -> Answer {
    let settings = configuration.pixxel
    if let rate = settings.requestsPerSecond, let last = lastPixxelAccepted, now - last < 1 / rate {
      var answer = pixxelFailure(429, "Too many requests.")
      if let seconds = settings.retryAfter { answer.headers.append(("Retry-After", String(seconds))) }
      return answer
    }
    lastPixxelAccepted = now
    guard isAuthorizedForPixxel(request.authorization) else {
      return pixxelFailure(settings.unauthorizedStatus, "The API key is missing or not valid.")
    }
    switch route.operation {
    case .workflows: return page(request.path)
    case .jobs: return jobs(route, now: now)
    case .job: return job(route, now: now)
    case .taskDownload: return taskDownload(route, now: now, clock: clock.seconds(wallClock))
    case .jobDownload: return jobDownload(route, now: now, clock: clock.seconds(wallClock))
    case .other: return pixxelFailure(405, "There is nothing at this path for this method.")
    }
  }

  private func isAuthorizedForPixxel(_ authorization: String?) -> Bool {
    guard let authorization, !authorization.isEmpty else { return false }
    let prefix = "Bearer "
    let isBearer = authorization.hasPrefix(prefix)
    switch configuration.pixxel.authorization {
    case .raw where isBearer: return false
    case .bearer where !isBearer: return false
    case .raw, .bearer, .either: break
    }
    let key = isBearer ? String(authorization.dropFirst(prefix.count)) : authorization
    return configuration.apiKeys.isEmpty || configuration.apiKeys.contains(key)
  }

  private func page(_ path: String) -> Answer {
    let (query, all, settings) = (Route.query(path), pixxel.workflows, configuration.pixxel)
    guard let offset = Int(query["offset"] ?? "0"), let asked = Int(query["limit"] ?? String(settings.usualPage)),
      offset >= 0, asked > 0
    else { return pixxelFailure(400, "offset and limit must be numbers.") }
    let limit = min(asked, settings.largestPage)
    let page = all.dropFirst(offset).prefix(limit)
    return json(PixxelAnswers.workflows(page, limit: limit, offset: offset, total: all.count))
  }

  private func jobs(_ route: PixxelRoute, now: Double) -> Answer {
    guard let id = route.workflow, let workflow = pixxel.workflow(id) else { return missing("workflow") }
    let jobs = workflow.jobs.map { job in
      JSONText.object(PixxelAnswers.job(job, workflow: id, states: states(job, in: id, now: now)))
    }
    return json(.object([("jobs", .array(jobs))]))
  }

  private func job(_ route: PixxelRoute, now: Double) -> Answer {
    guard let workflow = route.workflow, let id = route.job, let job = pixxel.job(workflow, id) else {
      return missing("job")
    }
    let states = states(job, in: workflow, now: now)
    let tasks = zip(job.tasks, states).map { PixxelAnswers.task($0, $1) }
    return json(.object(PixxelAnswers.job(job, workflow: workflow, states: states) + [("tasks", .array(tasks))]))
  }

  private func states(_ job: SimulatedJob, in workflow: String, now: Double) -> [TaskState] {
    job.tasks.map { pixxel.state(of: $0, "\(workflow)/\(job.id)/\($0.id)", now: now) }
  }

  private mutating func taskDownload(_ route: PixxelRoute, now: Double, clock: Double) -> Answer {
    guard let key = route.key, let task = pixxel.task(key) else { return missing("task") }
    let state = pixxel.state(of: task, key, now: now)
    guard state == .completed else { return pixxelFailure(400, "The task has not completed: \(state.word).") }
    guard task.package != nil else { return pixxelFailure(400, "The task has no assets.") }
    var members: [(String, JSONText)] = [
      ("id", .string(task.id)), ("job_id", .string(route.job ?? "")), ("workflow_id", .string(route.workflow ?? "")),
    ]
    if pixxel.isReady(task, key), let url = store.sign(key, now: now, clock: clock) {
      members += [("status", .string(task.readyWord)), ("signed_url", .string(url))]
    } else {
      members.append(("status", .string("pending")))
      switch task.pendingURL {
      case .empty: members.append(("signed_url", .string("")))
      case .null: members.append(("signed_url", .null))
      case .absent: break
      }
    }
    return json(.object(members))
  }

  private mutating func jobDownload(_ route: PixxelRoute, now: Double, clock: Double) -> Answer {
    guard let workflow = route.workflow, let id = route.job, pixxel.job(workflow, id) != nil else {
      return missing("job")
    }
    guard let url = store.sign("\(workflow)/\(id)", now: now, clock: clock) else {
      return pixxelFailure(400, "The job has no assets.")
    }
    return json(
      .object([
        ("id", .string(id)), ("status", .string("ready")), ("signed_url", .string(url)),
        ("workflowId", .string(workflow)),
      ]))
  }

  private func json(_ value: JSONText) -> Answer {
    Answer(status: 200, contentType: "application/json", body: .bytes(value.utf8))
  }

  private func missing(_ what: String) -> Answer {
    pixxelFailure(configuration.pixxel.missingStatus, "There is no such \(what).")
  }

  private func pixxelFailure(_ status: Int, _ message: String) -> Answer {
    Answer(
      status: status, contentType: "application/json",
      body: .bytes(PixxelAnswers.failure(status, message: message).utf8))
  }
}
