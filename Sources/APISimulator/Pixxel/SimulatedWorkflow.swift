/// A workflow as the simulated Pixxel API knows it.
///
/// In counters, fault rules and orders, what is below it is named by its ids with slashes between them: `workflow/job/task`.
public struct SimulatedWorkflow: Sendable, Equatable {
  public var id: String
  public var name: String?
  public var jobs: [SimulatedJob]

  public init(id: String, name: String? = nil, jobs: [SimulatedJob] = []) {
    self.id = id
    self.name = name
    self.jobs = jobs
  }
}

public struct SimulatedJob: Sendable, Equatable {
  public var id: String
  public var name: String?
  public var tasks: [SimulatedPixxelTask]
  /// What the job's own download gives.
  public var package: SimulatedPackage?
  /// The job's status word instead of the one that follows from its tasks.
  public var statusWord: String?

  public init(
    id: String, name: String? = nil, tasks: [SimulatedPixxelTask] = [], package: SimulatedPackage? = nil,
    statusWord: String? = nil
  ) {
    self.id = id
    self.name = name
    self.tasks = tasks
    self.package = package
    self.statusWord = statusWord
  }
}

/// A task in a job: what its status does as time goes by, and what its download gives.
public struct SimulatedPixxelTask: Sendable, Equatable {
  /// What `signed_url` is while the package is pending.
  public enum PendingURL: String, Sendable, Codable {
    case empty, null, absent
  }

  public var id: String
  public var name: String?
  /// Episodes of a running state become percent; code and message of a failed one, `failure_type` and `err_msg`.
  public var script: TaskScript
  /// The status word instead of the script's: the API's words are plain strings without a list of them.
  public var statusWord: String?
  /// nil is a task that has nothing to download.
  public var package: SimulatedPackage?
  /// So many requests for the download are answered with "pending" before the first "ready". The count goes on until the task is
  /// put anew.
  public var pendingAnswers: Int
  public var pendingURL: PendingURL
  /// The word beside a signed URL.
  public var readyWord: String

  public init(
    id: String, name: String? = nil, script: TaskScript, package: SimulatedPackage? = nil, pendingAnswers: Int = 0,
    pendingURL: PendingURL = .empty, readyWord: String = "ready", statusWord: String? = nil
  ) {
    self.id = id
    self.name = name
    self.script = script
    self.package = package
    self.pendingAnswers = pendingAnswers
    self.pendingURL = pendingURL
    self.readyWord = readyWord
    self.statusWord = statusWord
  }

  /// A task that stays as it is until a test changes it; completed unless said otherwise.
  public init(
    id: String, name: String? = nil, state: TaskState = .completed, package: SimulatedPackage? = nil,
    pendingAnswers: Int = 0
  ) {
    self.init(id: id, name: name, script: .fixed(state), package: package, pendingAnswers: pendingAnswers)
  }
}
