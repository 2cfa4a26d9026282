/// A paid API that has tasks, seen as what the mount needs of it.
///
/// Implementations put a deadline on every wait and repeat only what is safe to repeat; a call never outlives the
/// cancellation of the task that made it by more than the time it takes to close a connection.
public protocol TaskSource: Sendable {
  /// The source's directory in the mount.
  var name: SourceName { get }
  /// How many ids lead from the source's directory to a task: 1 for screenplay, 3 for Pixxel.
  var taskDepth: Int { get }
  /// Whether ``children(of:)`` can list anything.
  var canList: Bool { get }
  /// What a download costs.
  var price: PricePerGigabyte { get }
  /// Which of ``download(_:)`` and ``package(of:)`` leads to the results.
  var delivery: ResultDelivery { get }

  /// The ids below a group of fewer than ``taskDepth`` ids (the empty group is the source itself).
  /// - Throws: `.noSuchTask` when the API confirms that the group does not exist.
  func children(of group: [String]) async throws(SourceFailure) -> [TaskListing]

  /// Asks the API for a task's status. Free, and repeated with backoff when it fails in a way that may pass.
  func status(of task: TaskPath) async throws(SourceFailure) -> TaskStatus

  /// Starts the one download of a task's results. This is the billed call: it is sent at most once, whatever happens,
  /// and returns when the API has begun to answer with an archive.
  /// - Throws: a failure whose ``SourceFailure/billing`` says whether the provider may have charged for it.
  func download(_ task: TaskPath) async throws(SourceFailure) -> any ByteStream

  /// Has the API make a task's results ready as a package, and waits for that with a bound. Free.
  /// - Throws: `.timedOut` when it is still not ready after the bound, `.notCompleted`, `.noResults`, `.noSuchTask`.
  func package(of task: TaskPath) async throws(SourceFailure) -> any TaskPackage
}

extension TaskSource {
  public var delivery: ResultDelivery { .stream }

  public func download(_ task: TaskPath) async throws(SourceFailure) -> any ByteStream {
    throw SourceFailure(.badAnswer, "\(name) hands out no streams")
  }

  public func package(of task: TaskPath) async throws(SourceFailure) -> any TaskPackage {
    throw SourceFailure(.badAnswer, "\(name) hands out no packages")
  }
}

/// One entry of a listing.
public struct TaskListing: Hashable, Sendable {
  public let id: String
  /// A name for people, where the API has one.
  public let name: String?
  /// The status that came with the listing, where one did: so listing a job asks once, not once a task.
  public let status: TaskStatus?

  public init(id: String, name: String? = nil, status: TaskStatus? = nil) {
    self.id = id
    self.name = name
    self.status = status
  }
}

/// Bytes that arrive over time, pulled by one reader; nothing more is asked of the network than is pulled.
public protocol ByteStream: AnyObject, Sendable {
  /// The length that the server announced, or nil when it did not say.
  var expectedLength: ByteCount? { get }

  /// The next bytes, never empty, or nil at the proper end of the body.
  /// - Throws: `.timedOut` when no byte came for the read timeout, `.unreachable` when the connection broke.
  func next() async throws(SourceFailure) -> [UInt8]?

  /// Gives up: the connection is closed. Harmless after the end.
  func cancel()
}
