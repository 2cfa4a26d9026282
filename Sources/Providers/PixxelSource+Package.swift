import FoundationEssentials
import Tasks

// MARK: Packages
extension PixxelSource {
  /// Has the package made ready: repeats the PUT, which is the only way to ask, until there is an address.
  ///
  /// Nothing says that the PUT costs anything, so it is also repeated after failures that may pass, and whenever an address
  /// has to be renewed.
  public func package(of task: TaskPath) async throws(SourceFailure) -> any TaskPackage {
    let first = try await prepare(task)
    let serverTime = connections.serverTime
    let address = PackageAddress(first, clock: clock, date: { serverTime.now() ?? Date() }) { [self] in
      do throws(SourceFailure) {
        return .success(try await prepare(task))
      } catch {
        return .failure(error)
      }
    }
    let store = StoreClient(
      connections: connections, network: network, allowsHTTP: endpoint.allowsHTTP, logger: logger)
    return PixxelPackage(
      PackageOpener(
        subject: "package of \(task)", address: address, store: store, network: network, clock: clock, logger: logger))
  }

  private func prepare(_ task: TaskPath) async throws(SourceFailure) -> SignedURL {
    guard task.source == name, task.ids.count == taskDepth else {
      throw SourceFailure(.noSuchTask, "\(task) is not a task of \(name)")
    }
    let started = clock.now()
    var schedule = PreparationSchedule()
    while true {
      let preparation = try await askForPackage(task)
      if let text = preparation.signedURL { return try signedURL(text, task) }
      let state = Reason.clean(preparation.state)
      if PreparationSchedule.isFailure(preparation.state) {
        throw SourceFailure(.badAnswer, "package of \(task): the API could not make it ready (status \(state))")
      }
      guard let pause = schedule.pause(after: clock.now() - started) else {
        throw SourceFailure(
          .timedOut,
          "package of \(task): not ready within \(PreparationSchedule.bound.forPeople) (status \(state)); try again later"
        )
      }
      await clock.sleep(pause)
      if Task.isCancelled { throw .cancelled }
    }
  }

  private func signedURL(_ text: String, _ task: TaskPath) throws(SourceFailure) -> SignedURL {
    do {
      return try SignedURL(text, allowsHTTP: endpoint.allowsHTTP)
    } catch {
      throw SourceFailure(.badAnswer, "package of \(task): \(error.reason)")
    }
  }

  private func askForPackage(_ task: TaskPath) async throws(SourceFailure) -> PixxelAnswer.Preparation {
    let path = ["v0", "workflows", task.ids[0], "jobs", task.ids[1], "tasks", task.id, "download"]
    do {
      return try await call(.PUT, path, subject: "package of \(task)") { PixxelAnswer.preparation($0, $1) }
    } catch {
      throw await meaning(ofRefusedPackage: error, task)
    }
  }

  /// A package may also be refused because there is none yet: the task's status tells.
  private func meaning(ofRefusedPackage failed: FailedCall, _ task: TaskPath) async -> SourceFailure {
    let failure = failed.failure
    guard failed.mayMeanAbsence || failure.kind == .noSuchTask else { return failure }
    do throws(SourceFailure) {
      let entry = try await entry(of: task)
      // The key may not do this, whatever the task's state.
      if failure.kind == .accessDenied { return failure }
      guard let state = entry.status?.state, state == .completed else {
        let word = entry.status?.state.word ?? "unknown"
        return SourceFailure(.notCompleted, "\(failure.reason); the task's status is \(word)")
      }
      let isEmpty = failure.kind == .noSuchTask || Self.saysEmpty(failure.reason)
      return isEmpty ? SourceFailure(.noResults, failure.reason) : failure
    } catch {
      if error.kind == .noSuchTask || error.kind == .cancelled { return error }
      // The API has confirmed nothing but that it gives no package.
      return failure.kind == .noSuchTask ? SourceFailure(.badAnswer, failure.reason) : failure
    }
  }
}

extension PixxelSource {
  /// What a completed task without results may be told with; the API documents no words for it.
  private static func saysEmpty(_ reason: String) -> Bool {
    let words = reason.lowercased()
    return ["no asset", "no output", "no result", "no data", "nothing to download"].contains { words.contains($0) }
  }
}

/// When to ask again for a package that is being made ready. Pure.
struct PreparationSchedule: Hashable, Sendable {
  /// From 0.5 s, doubling to 8 s, for about two minutes: the longest that an open should take, which its user can repeat.
  static let first: Duration = .milliseconds(500)
  static let longest: Duration = .seconds(8)
  static let bound: Duration = .seconds(120)

  private var pause = first

  /// - Parameter time: since the first request.
  mutating func pause(after time: Duration) -> Duration? {
    guard time + pause <= Self.bound else { return nil }
    defer { pause = min(pause * 2, Self.longest) }
    return pause
  }

  /// Words for a request that will never become ready; the API documents only "pending" and "ready".
  static func isFailure(_ word: String) -> Bool {
    if case .failed = PixxelEntry.state(word) { return true }
    if case .cancelled = PixxelEntry.state(word) { return true }
    return ["expired", "rejected", "unavailable"].contains(word.lowercased())
  }
}
