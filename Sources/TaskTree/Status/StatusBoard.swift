import FileSystem
import Foundation
import Logging
import Synchronization
import Tasks

/// Live statuses, shared: readers that come at the same moment cause one API call, and final ones outlive the network.
///
/// Lock order: a leaf; never held across an await.
final class StatusBoard: Sendable {
  private struct Entry {
    var known: KnownStatus?
    var latest: Result<KnownStatus, FileSystemFailure>?
    var answeredAt: ContinuousClock.Instant?
    var flight: Flight<KnownStatus>?
  }

  /// How long "there is no such task" is believed: long enough for a shell's many lookups of one mistyped name, short
  /// enough for a person who has just submitted the task.
  private static let absenceLifetime = Duration.seconds(10)
  /// Above this many tasks, what is remembered of unknown ids is dropped, so that a script that probes ids can't fill the memory.
  private static let entryLimit = 10_000

  /// Seconds after which an unchanged answer is written down again, for `as_of` after a remount.
  private static let recordingInterval = 60.0

  private let entries = Mutex<[TaskPath: Entry]>([:])
  private let registry: TaskRegistry
  private let timeToLive: Duration
  private let metrics: Metrics
  private let logger: Logger

  init(registry: TaskRegistry, timeToLive: Duration, metrics: Metrics, logger: Logger) {
    self.registry = registry
    self.timeToLive = timeToLive
    self.metrics = metrics
    self.logger = logger
  }

  /// The API's answer, not older than the time to live; where it can't be reached, the last one if that is final.
  func live(_ task: TaskPath, from source: any TaskSource) async throws(FileSystemFailure) -> KnownStatus {
    enum Step {
      case done(Result<KnownStatus, FileSystemFailure>)
      case wait(Flight<KnownStatus>)
      case ask(Flight<KnownStatus>)
    }
    let now = ContinuousClock.now
    let step = entries.withLock { entries -> Step in
      var entry = entries[task] ?? Entry()
      if let flight = entry.flight { return .wait(flight) }
      if let latest = entry.latest, let answeredAt = entry.answeredAt, answeredAt + lifetime(of: latest) > now {
        return .done(latest)
      }
      let flight = Flight<KnownStatus>()
      entry.flight = flight
      if entries.count >= Self.entryLimit {
        entries = entries.filter { $0.value.known != nil || $0.value.flight != nil }
      }
      entries[task] = entry
      return .ask(flight)
    }
    switch step {
    case .done(let result):
      return try result.get()
    case .wait(let flight):
      return try await flight.value()
    case .ask(let flight):
      // A task of its own: the one who asked first may be interrupted while others wait.
      Task { await self.ask(task, source, landing: flight) }
      return try await flight.value()
    }
  }

  /// Takes statuses that came with a listing, as if each had just been asked for. Final ones are kept for the next mount.
  func learn(_ told: [(task: TaskPath, status: TaskStatus)]) async {
    var news: [(task: TaskPath, known: KnownStatus)] = []
    for (task, status) in told {
      let previous = (try? await remembered(task)) ?? nil
      let known = KnownStatus.updated(previous, with: status, at: Date())
      if status.state.isFinal, previous?.status != status { news.append((task, known)) }
      entries.withLock { entries in
        var entry = entries[task] ?? Entry()
        entry.known = known
        entry.latest = .success(known)
        entry.answeredAt = ContinuousClock.now
        entries[task] = entry
      }
    }
    guard !news.isEmpty else { return }
    do throws(FileSystemFailure) {
      try await registry.record(news)
    } catch {
      logger.warning("statuses not kept for the next mount", metadata: ["reason": "\(error.reason)"])
    }
  }

  /// What is known already: a final status for ever, else one that is not older than the time to live, else the API's answer.
  func sufficient(_ task: TaskPath, from source: any TaskSource) async throws(FileSystemFailure) -> KnownStatus {
    if let known = try await remembered(task), known.status.state.isFinal { return known }
    return try await live(task, from: source)
  }

  /// What is known without asking the API.
  func remembered(_ task: TaskPath) async throws(FileSystemFailure) -> KnownStatus? {
    if let known = entries.withLock({ $0[task]?.known }) { return known }
    guard let stored = try await registry.known(task) else { return nil }
    entries.withLock { entries in
      if entries[task]?.known == nil { entries[task, default: Entry()].known = stored }
    }
    return stored
  }

  private func lifetime(of result: Result<KnownStatus, FileSystemFailure>) -> Duration {
    if case .failure(let failure) = result, failure.kind == .notFound { return Self.absenceLifetime }
    return timeToLive
  }

  private func ask(_ task: TaskPath, _ source: any TaskSource, landing flight: Flight<KnownStatus>) async {
    let previous = (try? await remembered(task)) ?? nil
    let result: Result<KnownStatus, FileSystemFailure>
    metrics.count(.statusRequests)
    do throws(SourceFailure) {
      let status = try await source.status(of: task)
      let known = KnownStatus.updated(previous, with: status, at: Date())
      await keep(known, previous: previous, of: task)
      result = .success(known)
    } catch {
      let failure = FileSystemFailure(error)
      if let previous, previous.status.state.isFinal, failure.kind != .notFound, failure.kind != .accessDenied {
        result = .success(previous.stale(because: failure.reason))
      } else {
        result = .failure(failure)
      }
    }
    entries.withLock { entries in
      var entry = entries[task] ?? Entry()
      if case .success(let known) = result { entry.known = known }
      if case .failure(let failure) = result, failure.kind == .notFound { entry.known = nil }
      entry.latest = result
      entry.answeredAt = ContinuousClock.now
      entry.flight = nil
      entries[task] = entry
    }
    flight.land(result)
  }

  private func keep(_ known: KnownStatus, previous: KnownStatus?, of task: TaskPath) async {
    if let previous, previous.status == known.status,
      known.asked.timeIntervalSince(previous.asked) < Self.recordingInterval
    {
      return
    }
    do throws(FileSystemFailure) {
      try await registry.record(known, of: task)
    } catch {
      logger.warning("status not kept for the next mount", metadata: ["task": "\(task)", "reason": "\(error.reason)"])
    }
  }
}
