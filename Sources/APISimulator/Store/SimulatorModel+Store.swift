/// What to do with a request to the store.
struct StoreVerdict: Sendable {
  var number: Int
  /// The package that it is about, if any.
  var key: String?
  var answer: StoreAnswer
  var faults: Faults
}

extension SimulatorModel {
  /// Every version's file of the package that a request is about.
  func files(for request: StoreRequest) -> [PackageFile] {
    store.key(request).flatMap { store.object($0)?.files } ?? []
  }

  /// Counts and records a request to the store, and decides what becomes of it.
  mutating func receive(_ request: StoreRequest, now: Double, wallClock: Double) -> StoreVerdict {
    let kind: RequestKind =
      switch request.method {
      case "GET": .get
      case "HEAD": .head
      case "DELETE": .delete
      default: .other
      }
    let key = store.key(request)
    let number = record(
      RequestRecord(
        number: 0, kind: kind, task: key, method: request.method, path: request.target,
        authorization: request.headers["authorization"], time: wallClock, host: request.headers["host"],
        range: request.headers["range"]))
    let faults = plan.next(kind, task: key)
    if faults.nextVersion == true, let key { store.switchVersion(of: key) }
    let answer = store.answer(request, number: number, faults: faults, now: now, clock: clock.seconds(wallClock))
    return StoreVerdict(number: number, key: key, answer: changed(answer, request, number, faults), faults: faults)
  }

  private func changed(_ answer: StoreAnswer, _ request: StoreRequest, _ number: Int, _ faults: Faults) -> StoreAnswer {
    var answer = answer
    if let host = faults.redirectHost, request.headers["host"] != host {
      answer = StoreAnswer(status: 307, headers: [("Location", "http://\(host)\(request.target)")])
    } else if let body = faults.body {
      answer = StoreAnswer(status: faults.status ?? 200, headers: answer.headers, body: .bytes(Array(body.utf8)))
    } else if faults.message != nil || (faults.status ?? 200) >= 400 {
      answer = .failure(.generic(faults.status ?? 200, faults.message), request: number)
    } else if let status = faults.status {
      answer.status = status
    }
    if let type = faults.contentType { answer.set("Content-Type", type) }
    for (name, value) in (faults.headers ?? [:]).sorted(by: { $0.key < $1.key }) { answer.set(name, value) }
    return answer
  }

  // MARK: What became of it

  /// The answer's head is about to be sent.
  mutating func beginStore(_ verdict: StoreVerdict) {
    change(verdict.number) { $0.status = verdict.answer.status }
    if case .file(_, let range) = verdict.answer.body, let key = verdict.key {
      counters.packages[key, default: PackageTally()]
        .begin(verdict.number, version: verdict.answer.version, offset: range.lowerBound)
    }
  }

  /// So many bytes of the body have left; fewer, when what was counted beforehand did not.
  mutating func sentStore(_ verdict: StoreVerdict, bytes: Int64) {
    change(verdict.number) { $0.bytesSent += bytes }
    counters.change(verdict.key) { $0.bytesSent += bytes }
    if case .file = verdict.answer.body, let key = verdict.key {
      counters.packages[key]?.add(bytes, to: verdict.number)
    }
  }

  /// The answer goes on with the bytes of another version.
  mutating func tearStore(_ verdict: StoreVerdict, version: Int, offset: Int64) {
    guard let key = verdict.key else { return }
    counters.packages[key]?.begin(verdict.number, version: version, offset: offset)
  }

  /// Nothing more will be sent of it. May be called again with what it had been in truth.
  mutating func endStore(_ verdict: StoreVerdict, completed: Bool, bytes: Int64, charged: Int64) -> Int64 {
    change(verdict.number) { $0.completed = completed }
    guard let pricing = configuration.store.pricing, case .file = verdict.answer.body else { return 0 }
    let cost = pricing.cost(of: bytes)
    change(verdict.number) { $0.billedMicroDollars = cost }
    balance = balance.map { $0 - (cost - charged) }
    counters.change(verdict.key) { $0.billedMicroDollars += cost - charged }
    return cost
  }
}
