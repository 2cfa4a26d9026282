/// A request as it arrives.
struct IncomingRequest: Sendable {
  var method: String
  /// Path and query as sent.
  var path: String
  var authorization: String?
  var host: String?

  var route: Route { Route(method: method, path: String(path.prefix { $0 != "?" })) }
}

/// What is answered, before anything goes wrong on the way.
struct Answer: Sendable {
  enum Body: Sendable {
    case bytes([UInt8])
    case archive(TaskResult)
  }

  var status: Int
  var contentType: String?
  var headers: [(name: String, value: String)] = []
  var body: Body
  /// Micro-dollars to charge if it is sent.
  var cost: Int64 = 0

  static func json(_ status: Int, _ envelope: Envelope) -> Self {
    Self(status: status, contentType: "application/json", body: .bytes(envelope.json.utf8))
  }
}

/// What to do with a request: the answer, and what goes wrong with it.
struct Verdict: Sendable {
  /// The request's number, by which its record is found again.
  var number: Int
  var answer: Answer
  var faults: Faults
}

/// All that the simulated API knows, as one value: what is answered and billed is decided here, without any I/O and with the
/// time given from outside.
struct SimulatorModel: Sendable {
  /// How many requests are remembered.
  static let logLimit = 1_000

  private struct Entry {
    var task: SimulatedTask
    /// When its script began, in the caller's monotonic seconds.
    var since: Double
  }

  let configuration: APISimulator.Configuration
  var plan = FaultPlan()
  /// Micro-dollars left on the account; nil is without end.
  var balance: Int64?
  /// Scheme, host and port of the APIs, once they listen.
  var base = ""
  var clock = SimulatedClock.real
  var pixxel: PixxelModel
  var store: StoreModel
  var counters = Counters()
  private(set) var log: [RequestRecord] = []
  private var entries: [String: Entry] = [:]
  private var requestCount = 0
  private var lastAccepted: Double?
  /// The two APIs have a rate limit each.
  var lastPixxelAccepted: Double?

  init(_ configuration: APISimulator.Configuration) {
    self.configuration = configuration
    balance = configuration.balance
    clock = configuration.clock
    pixxel = PixxelModel(configuration.pixxel)
    store = StoreModel(configuration.store)
  }

  // MARK: Tasks

  var tasks: [SimulatedTask] { entries.values.map(\.task).sorted { $0.id < $1.id } }

  func task(_ id: String) -> SimulatedTask? { entries[id]?.task }

  /// Adds a task or puts it in another's place; its script begins now, or goes on as the other's did.
  mutating func put(_ task: SimulatedTask, now: Double, restart: Bool = true) {
    let since = restart ? now : entries[task.id]?.since ?? now
    entries[task.id] = Entry(task: task, since: since)
  }

  mutating func remove(_ id: String) { entries[id] = nil }

  func state(of id: String, now: Double) -> TaskState? {
    entries[id].map { $0.task.script.state(after: now - $0.since) }
  }

  // MARK: Requests

  /// Counts and records a request, and decides what becomes of it.
  mutating func receive(_ request: IncomingRequest, now: Double, wallClock: Double) -> Verdict {
    let route = request.route
    let number = record(
      RequestRecord(
        number: 0, kind: route.kind, task: route.task, method: request.method, path: request.path,
        authorization: request.authorization, time: wallClock, host: request.host))
    let faults = plan.next(route.kind, task: route.task)
    if case .pixxel(let route) = route {
      let answer = answer(to: route, request, now: now, wallClock: wallClock)
      return Verdict(number: number, answer: changed(answer, by: faults, isPixxel: true), faults: faults)
    }
    let answer = answer(to: route, authorization: request.authorization, now: now)
    return Verdict(number: number, answer: changed(answer, by: faults, isPixxel: false), faults: faults)
  }

  /// Counts a request and keeps its record under the next number, which is returned.
  mutating func record(_ record: RequestRecord) -> Int {
    requestCount += 1
    counters.change(record.task) { $0.count(record.kind) }
    log.append(record)
    log[log.count - 1].number = requestCount
    if log.count > Self.logLimit { log.removeFirst() }
    return requestCount
  }

  private mutating func answer(to route: Route, authorization: String?, now: Double) -> Answer {
    if let rate = configuration.requestsPerSecond, let last = lastAccepted, now - last < 1 / rate {
      return failure(429, ScreenplayText.tooManyRequests)
    }
    lastAccepted = now
    guard isAuthorized(authorization) else { return failure(401, ScreenplayText.unauthorized) }
    switch route {
    case .status(let id):
      guard let state = state(of: id, now: now) else { return unknown(id) }
      return success(.status(of: id, state))
    case .download(let id):
      guard let task = entries[id]?.task, let state = state(of: id, now: now) else { return unknown(id) }
      return download(task, state)
    case .delete(let id): return cancel(id, now: now)
    case .administration, .pixxel, .other: return failure(404, ScreenplayText.noSuchPath)
    }
  }

  private func isAuthorized(_ authorization: String?) -> Bool {
    guard let authorization, !authorization.isEmpty else { return false }
    return configuration.apiKeys.isEmpty || configuration.apiKeys.contains(authorization)
  }

  private func download(_ task: SimulatedTask, _ state: TaskState) -> Answer {
    guard state == .completed else { return failure(400, ScreenplayText.notCompleted(state.word)) }
    switch task.result {
    case .none: return failure(400, ScreenplayText.noResultData)
    case .files(let files, _) where files.isEmpty: return failure(400, ScreenplayText.noFiles)
    case .files, .archive, .archiveFile: break
    }
    let cost = configuration.pricing.cost(of: task.result.originalBytes)
    if let balance, cost > balance { return failure(402, ScreenplayText.insufficientBalance) }
    var result = task.result
    if configuration.renamesDuplicates, case .files(let files, let style) = result {
      result = .files(TaskResult.renamingDuplicates(files), style: style)
    }
    return Answer(
      status: 200, contentType: "application/zip",
      headers: [("Content-Disposition", "attachment; filename=\"\(task.id).zip\"")], body: .archive(result), cost: cost)
  }

  private mutating func cancel(_ id: String, now: Double) -> Answer {
    switch state(of: id, now: now) {
    case nil: return unknown(id)
    case .pending, .running:
      entries[id]?.task.script = .fixed(.cancelled)
      return success(.status(of: id, .cancelled))
    case .completed, .failed, .cancelled: return failure(409, ScreenplayText.notCancellable)
    }
  }

  private func success(_ envelope: Envelope) -> Answer {
    var envelope = envelope
    envelope.code = configuration.successCode
    return .json(200, envelope)
  }

  private func failure(_ status: Int, _ message: String) -> Answer {
    .json(configuration.failsInsideOK ? 200 : status, .failure(status, message))
  }

  private func unknown(_ id: String) -> Answer {
    failure(configuration.unknownTaskStatus, ScreenplayText.notFound(id))
  }

  /// The answer with what the faults change of it.
  private func changed(_ answer: Answer, by faults: Faults, isPixxel: Bool) -> Answer {
    var answer = answer
    if let body = faults.body {
      answer = Answer(
        status: faults.status ?? 200, contentType: body.isEmpty ? nil : answer.contentType,
        body: .bytes(Array(body.utf8)))
    } else if faults.message != nil || (faults.status ?? 200) >= 400 {
      let status = faults.status ?? 200
      answer = isPixxel ? Self.pixxelFailure(status, faults) : Self.screenplayFailure(status, faults)
    } else if let status = faults.status {
      answer.status = status
    }
    if let type = faults.contentType { answer.contentType = type }
    for (name, value) in (faults.headers ?? [:]).sorted(by: { $0.key < $1.key }) {
      answer.headers.append((name, value))
    }
    return answer
  }

  private static func screenplayFailure(_ status: Int, _ faults: Faults) -> Answer {
    var envelope = Envelope.failure(faults.code ?? status, faults.message ?? ScreenplayText.generic(status))
    if let text = faults.codeText { envelope.code = .text(text) }
    return .json(status, envelope)
  }

  private static func pixxelFailure(_ status: Int, _ faults: Faults) -> Answer {
    let json = PixxelAnswers.failure(status, message: faults.message, code: faults.codeText)
    return Answer(status: status, contentType: "application/json", body: .bytes(json.utf8))
  }

  // MARK: What became of it

  /// The answer's head is about to be sent.
  mutating func begin(_ number: Int, status: Int, cost: Int64) {
    change(number) { $0.status = status }
    if configuration.pricing.chargedAt == .start { charge(number, cost) }
  }

  mutating func sent(_ number: Int, bytes: Int64) {
    change(number) { $0.bytesSent += bytes }
    counters.change(record(number)?.task) { $0.bytesSent += bytes }
  }

  /// Nothing more will be sent; `completed` says whether all was.
  mutating func end(_ number: Int, completed: Bool, cost: Int64) {
    change(number) { $0.completed = completed }
    if completed, configuration.pricing.chargedAt == .end { charge(number, cost) }
  }

  mutating func resetCounters() {
    counters = Counters()
    log = []
  }

  private mutating func charge(_ number: Int, _ cost: Int64) {
    guard cost > 0 else { return }
    change(number) { $0.billedMicroDollars = cost }
    balance = balance.map { $0 - cost }
    counters.change(record(number)?.task) {
      $0.billedDownloads += 1
      $0.billedMicroDollars += cost
    }
  }

  /// Where a request's record is: numbers follow each other, and the oldest may be gone.
  private func index(_ number: Int) -> Int? {
    guard let first = log.first?.number, number >= first, number - first < log.count else { return nil }
    return number - first
  }

  private func record(_ number: Int) -> RequestRecord? { index(number).map { log[$0] } }

  mutating func change(_ number: Int, _ body: (inout RequestRecord) -> Void) {
    if let index = index(number) { body(&log[index]) }
  }
}
