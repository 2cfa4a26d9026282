/// The workflows that the simulated Pixxel API has, as one value.
struct PixxelModel: Sendable {
  let settings: PixxelSettings
  private(set) var workflows: [SimulatedWorkflow] = []
  /// When the tasks' scripts began, by key, in monotonic seconds.
  private var since: [String: Double] = [:]
  /// How often a task's download was asked for, by key.
  private var asked: [String: Int] = [:]

  init(_ settings: PixxelSettings) {
    self.settings = settings
  }

  // MARK: What there is

  func workflow(_ id: String) -> SimulatedWorkflow? { workflows.first { $0.id == id } }

  func job(_ workflow: String, _ id: String) -> SimulatedJob? { self.workflow(workflow)?.jobs.first { $0.id == id } }

  func task(_ key: String) -> SimulatedPixxelTask? {
    let ids = key.split(separator: "/").map(String.init)
    return ids.count == 3 ? job(ids[0], ids[1])?.tasks.first { $0.id == ids[2] } : nil
  }

  func state(of task: SimulatedPixxelTask, _ key: String, now: Double) -> TaskState {
    task.script.state(after: now - (since[key] ?? now))
  }

  /// Adds a workflow, or puts it in another's place. The scripts of tasks that were there with the same script go on.
  mutating func put(_ workflow: SimulatedWorkflow, now: Double) {
    let before = self.workflow(workflow.id)
    for job in workflow.jobs {
      for task in job.tasks {
        let key = [workflow.id, job.id, task.id].joined(separator: "/")
        let earlier = before?.jobs.first { $0.id == job.id }?.tasks.first { $0.id == task.id }
        if earlier?.script != task.script { since[key] = now }
        if earlier != task { asked[key] = nil }
      }
    }
    if let index = workflows.firstIndex(where: { $0.id == workflow.id }) {
      workflows[index] = workflow
    } else {
      workflows.append(workflow)
    }
  }

  mutating func remove(_ id: String) { workflows.removeAll { $0.id == id } }

  /// One more request for a task's download; true once the package is ready.
  mutating func isReady(_ task: SimulatedPixxelTask, _ key: String) -> Bool {
    asked[key, default: 0] += 1
    return asked[key, default: 0] > task.pendingAnswers
  }
}

extension SimulatorModel {
  /// Adds a workflow or puts it in another's place, with the packages of its jobs and tasks.
  mutating func put(_ workflow: SimulatedWorkflow, now: Double) {
    let before = pixxel.workflow(workflow.id)
    pixxel.put(workflow, now: now)
    let packages = Self.packages(workflow)
    for key in before.map(Self.packages)?.keys ?? [:].keys where packages[key] == nil { store.put(nil, for: key) }
    for (key, package) in packages { store.put(package, for: key) }
  }

  mutating func removeWorkflow(_ id: String) {
    guard let workflow = pixxel.workflow(id) else { return }
    for key in Self.packages(workflow).keys { store.put(nil, for: key) }
    pixxel.remove(id)
  }

  private static func packages(_ workflow: SimulatedWorkflow) -> [String: SimulatedPackage] {
    var packages: [String: SimulatedPackage] = [:]
    for job in workflow.jobs {
      packages["\(workflow.id)/\(job.id)"] = job.package
      for task in job.tasks { packages["\(workflow.id)/\(job.id)/\(task.id)"] = task.package }
    }
    return packages
  }
}
