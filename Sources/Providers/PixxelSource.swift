import Logging
import Synchronization
import Tasks

/// The Pixxel API (APIS.md; `kind: pixxel`): workflows, their jobs, and the jobs' tasks.
///
/// It reads lists and statuses, and has packages made ready. It never starts, changes or ends anything.
public final class PixxelSource: TaskSource {
  public let name: SourceName
  public let price: PricePerGigabyte
  public let taskDepth = 3
  public let canList = true
  public let delivery = ResultDelivery.package

  let endpoint: EndpointURL
  let network: NetworkSettings
  let connections: HTTPConnections
  let client: SourceClient
  let clock: SourceClock
  let logger: Logger
  let lists: SharedAnswers<[String], [TaskListing]>
  private let noted = Mutex<Set<String>>([])

  public convenience init(
    settings: SourceSettings, key: any KeyProvider, network: NetworkSettings, connections: HTTPConnections,
    logger: Logger
  ) {
    self.init(
      settings: settings, key: key, network: network, connections: connections, logger: logger, clock: .system)
  }

  init(
    settings: SourceSettings, key: any KeyProvider, network: NetworkSettings, connections: HTTPConnections,
    logger: Logger, clock: SourceClock
  ) {
    name = settings.name
    price = settings.price
    endpoint = settings.endpoint
    self.network = network
    self.connections = connections
    self.clock = clock
    self.logger = logger
    client = SourceClient(
      settings: settings, key: key, network: network, connections: connections, logger: logger, clock: clock)
    // As long as two opens share one status answer (INTERFACE.md, `status_ttl`): `cat */status` is one call a job.
    lists = SharedAnswers(freshness: .seconds(1), clock: clock)
  }

  public func children(of group: [String]) async throws(SourceFailure) -> [TaskListing] {
    guard group.count < taskDepth else {
      throw SourceFailure(.noSuchTask, "\(Self.path(name, group)) is a task of \(name), not a group of tasks")
    }
    return try await list(group)
  }

  /// The API tells a task's status in its job only; whoever asks for tasks of the same job at about the same time shares
  /// one call.
  public func status(of task: TaskPath) async throws(SourceFailure) -> TaskStatus {
    let entry = try await entry(of: task)
    guard let status = entry.status else {
      throw SourceFailure(.badAnswer, "status of \(task): its entry in the job has no status")
    }
    return status
  }

  /// The task in its job's list.
  func entry(of task: TaskPath) async throws(SourceFailure) -> TaskListing {
    guard task.source == name, task.ids.count == taskDepth else {
      throw SourceFailure(.noSuchTask, "\(task) is not a task of \(name)")
    }
    let tasks = try await list(Array(task.ids.dropLast()))
    guard let entry = tasks.first(where: { $0.id == task.id }) else {
      throw SourceFailure(.noSuchTask, "the job has no task \(task)")
    }
    return entry
  }

  /// What is directly below a group, by one call for everybody.
  func list(_ group: [String]) async throws(SourceFailure) -> [TaskListing] {
    try await lists.answer(to: group) { [self] in
      do throws(SourceFailure) {
        return .success(usable(try await ask(group), of: group))
      } catch {
        return .failure(error)
      }
    }
  }

  /// Leaves out what can't be a directory, and repetitions.
  private func usable(_ entries: [TaskListing], of group: [String]) -> [TaskListing] {
    var seen: Set<String> = []
    return entries.filter { entry in
      if let refusal = PathComponentRule.refusal(of: entry.id) {
        note(refusal, of: entry.id, in: group)
        return false
      }
      return seen.insert(entry.id).inserted
    }
  }

  /// Once an id: lists are asked for again and again.
  private func note(_ refusal: String, of id: String, in group: [String]) {
    let isNew = noted.withLock { $0.count < 1000 && $0.insert(Self.path(name, group + [id])).inserted }
    guard isNew else { return }
    logger.notice(
      "left out of a listing: the id can't be the name of a directory",
      metadata: ["source": "\(name)", "id": "\(Reason.clean(id))", "reason": "\(refusal)"])
  }

  static func path(_ name: SourceName, _ ids: [String]) -> String {
    ([name.text] + ids).joined(separator: "/")
  }
}
