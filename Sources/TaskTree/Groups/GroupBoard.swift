import FileSystem
import Synchronization
import Tasks

/// Listings of APIs, shared: whoever lists or names something at the same moment causes one API call.
///
/// Lock order: a leaf; never held across an await.
final class GroupBoard: Sendable {
  private struct Entry {
    /// The last good answer.
    var listing: GroupListing?
    var latest: Result<GroupListing, FileSystemFailure>?
    var answeredAt: ContinuousClock.Instant?
    var flight: Flight<GroupListing>?
  }

  /// How long a listing is believed: long enough for one walk of a shell or a file manager through it, short enough for a
  /// person who has just started a job.
  private static let lifetime = Duration.seconds(10)
  /// How long a failure is: it was waited for once, and a walk must not wait for it at every name.
  private static let failureLifetime = Duration.seconds(1)
  /// Above this many groups what is remembered is dropped, so that a script that probes ids can't fill the memory.
  private static let entryLimit = 10_000

  private let entries = Mutex<[TaskGroup: Entry]>([:])
  private let statuses: StatusBoard
  private let metrics: Metrics

  init(statuses: StatusBoard, metrics: Metrics) {
    self.statuses = statuses
    self.metrics = metrics
  }

  /// What is below a group, not older than some seconds.
  /// - Throws: `.notFound` when the API says that the group does not exist; never because it can't be reached.
  func listing(of group: TaskGroup, from source: any TaskSource) async throws(FileSystemFailure) -> GroupListing {
    enum Step {
      case done(Result<GroupListing, FileSystemFailure>)
      case wait(Flight<GroupListing>)
      case ask(Flight<GroupListing>)
    }
    let now = ContinuousClock.now
    let step = entries.withLock { entries -> Step in
      var entry = entries[group] ?? Entry()
      if let flight = entry.flight { return .wait(flight) }
      if let latest = entry.latest, let answeredAt = entry.answeredAt, answeredAt + Self.lifetime(of: latest) > now {
        return .done(latest)
      }
      let flight = Flight<GroupListing>()
      entry.flight = flight
      if entries.count >= Self.entryLimit { entries = entries.filter { $0.value.flight != nil } }
      entries[group] = entry
      return .ask(flight)
    }
    switch step {
    case .done(let result): return try result.get()
    case .wait(let flight): return try await flight.value()
    case .ask(let flight):
      // A task of its own: the one who asked first may be interrupted while others wait.
      Task { await self.ask(group, source, landing: flight) }
      return try await flight.value()
    }
  }

  /// The last listing that was read in this run, however old; asks nobody.
  func remembered(_ group: TaskGroup) -> GroupListing? {
    entries.withLock { $0[group]?.listing }
  }

  /// The listing if it is still believed; asks nobody.
  func fresh(_ group: TaskGroup) -> GroupListing? {
    let now = ContinuousClock.now
    return entries.withLock { entries in
      guard let entry = entries[group], case .success(let listing)? = entry.latest, let answeredAt = entry.answeredAt,
        answeredAt + Self.lifetime > now
      else { return nil }
      return listing
    }
  }

  private static func lifetime(of result: Result<GroupListing, FileSystemFailure>) -> Duration {
    guard case .failure(let failure) = result else { return lifetime }
    return failure.kind == .notFound ? lifetime : failureLifetime
  }

  private func ask(_ group: TaskGroup, _ source: any TaskSource, landing flight: Flight<GroupListing>) async {
    metrics.count(.listRequests)
    let result: Result<GroupListing, FileSystemFailure>
    do throws(SourceFailure) {
      let listing = GroupListing(try await source.children(of: group.ids))
      await learn(listing, of: group)
      result = .success(listing)
    } catch {
      result = .failure(FileSystemFailure(error))
    }
    entries.withLock { entries in
      var entry = entries[group] ?? Entry()
      if case .success(let listing) = result { entry.listing = listing }
      if case .failure(let failure) = result, failure.kind == .notFound { entry.listing = nil }
      entry.latest = result
      entry.answeredAt = ContinuousClock.now
      entry.flight = nil
      entries[group] = entry
    }
    flight.land(result)
  }

  /// A listing that tells statuses spares everybody who asks for them afterwards.
  private func learn(_ listing: GroupListing, of group: TaskGroup) async {
    let told = listing.entries.compactMap { entry in
      entry.status.flatMap { status in
        TaskPath(source: group.source, ids: group.ids + [entry.id]).map { (task: $0, status: status) }
      }
    }
    if !told.isEmpty { await statuses.learn(told) }
  }
}
