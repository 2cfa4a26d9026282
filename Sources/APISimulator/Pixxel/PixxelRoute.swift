/// What a request to the Pixxel API asks for.
struct PixxelRoute: Equatable {
  enum Operation: Equatable {
    case workflows, jobs, job, taskDownload, jobDownload
    /// Nothing that the API has, with this kind in the counters.
    case other(RequestKind)
  }

  /// Where all its paths begin.
  static let base = "v0"

  var operation: Operation
  var workflow: String?
  var job: String?
  var task: String?

  /// nil for a path of something else.
  init?(method: String, parts: [String]) {
    guard parts.first == Self.base, parts.count >= 2, parts[1] == "workflows" else { return nil }
    workflow = parts.count > 2 ? parts[2] : nil
    job = parts.count > 4 && parts[3] == "jobs" ? parts[4] : nil
    task = parts.count > 6 && job != nil && parts[5] == "tasks" ? parts[6] : nil
    switch (method, parts.count) {
    case ("GET", 2): operation = .workflows
    case ("GET", 4) where parts[3] == "jobs": operation = .jobs
    case ("GET", 5) where job != nil: operation = .job
    case ("PUT", 6) where job != nil && parts[5] == "download": operation = .jobDownload
    case ("PUT", 8) where task != nil && parts[7] == "download": operation = .taskDownload
    case ("DELETE", _): operation = .other(.delete)
    case ("HEAD", _): operation = .other(.head)
    default: operation = .other(.other)
    }
  }

  var kind: RequestKind {
    switch operation {
    case .workflows: .workflows
    case .jobs: .jobs
    case .job: .job
    case .taskDownload: .put
    case .jobDownload: .putJob
    case .other(let kind): kind
    }
  }

  /// The ids with slashes between them.
  var key: String? {
    let ids = [workflow, job, task].compactMap { $0 }
    return ids.isEmpty ? nil : ids.joined(separator: "/")
  }
}
