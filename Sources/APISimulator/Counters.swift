/// What a request asked for.
public enum RequestKind: String, Sendable, Codable, CaseIterable {
  case status
  case download
  /// `DELETE` of a task, which nothing in the product may ever send.
  case delete
  /// A page of workflows.
  case workflows
  /// The jobs of a workflow.
  case jobs
  /// A job with its tasks.
  case job
  /// `PUT` for the download of a Pixxel task.
  case put
  /// The same for a whole job.
  case putJob = "put_job"
  /// `GET` at the store.
  case get
  /// `HEAD`, at the store or the Pixxel API.
  case head
  case other
}

/// What the simulator has seen and billed.
public struct Counters: Sendable, Equatable {
  public struct Tally: Sendable, Equatable {
    public var status = 0
    public var download = 0
    public var delete = 0
    public var workflows = 0
    public var jobs = 0
    public var job = 0
    public var put = 0
    public var putJob = 0
    public var get = 0
    public var head = 0
    public var other = 0
    /// Downloads that were charged.
    public var billedDownloads = 0
    /// Micro-dollars, each charge rounded up.
    public var billedMicroDollars: Int64 = 0
    /// Bytes of bodies handed to the connection.
    public var bytesSent: Int64 = 0

    public var requests: Int {
      status + download + delete + workflows + jobs + job + put + putJob + get + head + other
    }

    mutating func count(_ kind: RequestKind) {
      switch kind {
      case .status: status += 1
      case .download: download += 1
      case .delete: delete += 1
      case .workflows: workflows += 1
      case .jobs: jobs += 1
      case .job: job += 1
      case .put: put += 1
      case .putJob: putJob += 1
      case .get: get += 1
      case .head: head += 1
      case .other: other += 1
      }
    }
  }

  public var total = Tally()
  /// By task id, for requests that name one, known or not; for the Pixxel API and the store by `workflow/job/task`, or
  /// `workflow/job` and `workflow` for what names no more.
  public var tasks: [String: Tally] = [:]
  /// What the store sent of each package, by the same names.
  public var packages: [String: PackageTally] = [:]

  /// The tally of one task; zeros for one that nobody asked for.
  public func task(_ id: String) -> Tally { tasks[id] ?? Tally() }

  /// What the store sent of a task's or a job's package.
  public func package(_ key: String) -> PackageTally { packages[key] ?? PackageTally() }

  mutating func change(_ task: String?, _ body: (inout Tally) -> Void) {
    body(&total)
    if let task { body(&tasks[task, default: Tally()]) }
  }
}

/// One request as the simulator saw it.
public struct RequestRecord: Sendable, Equatable {
  /// Counts from 1 since the start.
  public var number: Int
  public var kind: RequestKind
  public var task: String?
  public var method: String
  /// Path and query.
  public var path: String
  /// The `Authorization` header as it came, nil without one: a test asks whether a key went where it must not.
  public var authorization: String?
  /// Seconds since 1970.
  public var time: Double
  /// The HTTP status answered; nil while there is none.
  public var status: Int?
  public var bytesSent: Int64 = 0
  /// Micro-dollars charged for it.
  public var billedMicroDollars: Int64 = 0
  /// Whether the whole answer was sent; nil while it is being sent.
  public var completed: Bool?
  /// The `Host` header as it came: which of the server's names the client meant.
  public var host: String?
  /// The `Range` header as it came to the store.
  public var range: String?
}
