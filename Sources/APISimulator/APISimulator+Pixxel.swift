extension APISimulator {
  // MARK: Workflows

  /// Adds a workflow with all that is in it, or puts it in the place of the one with its id. What is equal to what was there stays
  /// as it was: scripts go on, and packages keep their version.
  public func put(_ workflow: SimulatedWorkflow) {
    let now = SimulatorState.monotonic()
    state.with { $0.put(workflow, now: now) }
  }

  /// Makes the id unknown, and what is in it.
  public func removeWorkflow(_ id: String) { state.with { $0.removeWorkflow(id) } }

  public var workflows: [SimulatedWorkflow] { state.with { $0.pixxel.workflows } }

  /// Changes a task by its `workflow/job/task`. Does nothing for an unknown one.
  public func updateTask(_ key: String, _ change: (inout SimulatedPixxelTask) -> Void) {
    let now = SimulatorState.monotonic()
    let ids = key.split(separator: "/").map(String.init)
    guard ids.count == 3 else { return }
    state.with { model in
      guard var workflow = model.pixxel.workflow(ids[0]),
        let job = workflow.jobs.firstIndex(where: { $0.id == ids[1] }),
        let task = workflow.jobs[job].tasks.firstIndex(where: { $0.id == ids[2] })
      else { return }
      change(&workflow.jobs[job].tasks[task])
      model.put(workflow, now: now)
    }
  }

  // MARK: The store

  /// Puts another package behind the addresses of a task; those that were given out lead to it too.
  public func setPackage(_ key: String, _ package: SimulatedPackage?) { updateTask(key) { $0.package = package } }

  /// Puts the package's next version in its place.
  public func switchVersion(of key: String) { state.with { $0.store.switchVersion(of: key) } }

  /// Lets all addresses that were signed up to now expire; those of one package if it is named.
  public func expireURLs(of key: String? = nil) { state.expire(key) }

  /// A new signed address, as the API would give it; nil for what has no package.
  public func signedURL(for key: String) -> String? {
    let (now, wallClock) = (SimulatorState.monotonic(), SimulatorState.wallClock())
    return state.with { $0.store.sign(key, now: now, clock: $0.clock.seconds(wallClock)) }
  }

  /// Makes the package's file, if that was not done yet, and returns its length; nil for what has none. A test that measures calls
  /// it beforehand.
  public func packageSize(of key: String) async -> Int64? {
    guard let file = state.with({ $0.store.object(key)?.file }) else { return nil }
    return await BlockingThread.call { (try? file.open())?.size }
  }

  // MARK: Answers that are held, and the clock

  /// Lets all answers go on that are held by a fault.
  public func release() { state.pen.release() }

  /// How many answers are held now.
  public var heldAnswers: Int { state.pen.count }

  /// What the `Date` of every answer goes by.
  public var clock: SimulatedClock {
    get { state.with { $0.clock } }
    set { state.with { $0.clock = newValue } }
  }
}
