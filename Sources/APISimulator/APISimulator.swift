import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Both APIs on this machine, and the object store that one of them points to: real HTTP servers that answer as the APIs' pages say, bill
/// what they would bill, and go wrong on demand. For `tollfs demo`, `tollfs simulate` and the tests.
///
/// The APIs share a port; below `/_simulator/` on it they take orders from other processes, see ``AdministrationAPI``. The store
/// has a port of its own.
public final class APISimulator: Sendable {
  public struct Configuration: Sendable {
    /// Where to listen. Nothing but loopback is meant: the administration asks for no key.
    public var host = "127.0.0.1"
    /// 0 takes a free one, and keeps it for a later start.
    public var port = 0
    /// The keys that are accepted; with none, every key is, but there must be one.
    public var apiKeys: Set<String> = []
    /// The HTTP status of "Task not found": 400 on the one page that shows it.
    public var unknownTaskStatus = 400
    /// Whether all failures come in HTTP 200, as has been reported.
    public var failsInsideOK = false
    /// Whether successes have `"code": "0000"`, as on other pages of the API, instead of 200.
    public var hasTextCodes = false
    public var pricing = Pricing()
    /// Micro-dollars on the account; nil is without end.
    public var balance: Int64?
    /// More than so many requests a second are answered with 429; nil is no limit.
    public var requestsPerSecond: Double?
    /// Whether files of the same name get a numeric suffix, as the download page says. Without it, the zip has duplicates.
    public var renamesDuplicates = true
    public var pixxel = PixxelSettings()
    public var store = StoreSettings()
    /// What the `Date` of every answer goes by.
    public var clock = SimulatedClock.real
    public var logger = Logger(label: "simulator") { _ in SwiftLogNoOpLogHandler() }

    public init() {}

    var successCode: Envelope.Code { hasTextCodes ? .text("0000") : .number(200) }
  }

  /// The simulator is running already, or it ended before it listened.
  public struct StartFailure: Error, CustomStringConvertible {
    public let description: String
  }

  private struct Running {
    var task: Task<Void, any Error>?
    var port: Int
    var storePort: Int
  }

  private let configuration: Configuration
  private let running: Mutex<Running>
  let state: SimulatorState

  public init(
    _ configuration: Configuration = Configuration(), tasks: [SimulatedTask] = [], workflows: [SimulatedWorkflow] = []
  ) {
    self.configuration = configuration
    state = SimulatorState(configuration)
    running = Mutex(Running(port: configuration.port, storePort: configuration.store.port))
    for task in tasks { put(task) }
    for workflow in workflows { put(workflow) }
  }

  // MARK: Life

  /// The port it listens on, or last listened on; 0 before the first start.
  public var port: Int { running.withLock { $0.port } }

  /// The same of the store.
  public var storePort: Int { running.withLock { $0.storePort } }

  /// The base URL of the Pixxel API for a client's configuration; paths below it begin with `/v0/`.
  public var pixxelEndpoint: String { "http://\(configuration.host):\(port)" }

  /// Scheme, host and port of the store, with which every signed address begins.
  public var storeEndpoint: String { "http://\(configuration.store.host):\(storePort)" }

  /// The base URL of the screenplay API for a client's configuration.
  public var endpoint: String { "http://\(configuration.host):\(port)\(Route.base)" }

  /// The base URL of the administration.
  public var administration: String { "http://\(configuration.host):\(port)/_simulator" }

  /// Starts it in the background and returns the port once it listens. After `stop()` it can be started again and then has the
  /// same port, tasks and counters. Throws what binding failed with.
  @discardableResult
  public func start() async throws -> Int {
    let (ports, continuation) = AsyncThrowingStream<Int, any Error>.makeStream()
    let started = running.withLock { running in
      guard running.task == nil else { return false }
      running.task = Task.detached { [self] in
        do {
          try await serve { continuation.yield($0) }
          continuation.finish()
        } catch {
          continuation.finish(throwing: error)
        }
      }
      return true
    }
    guard started else { throw StartFailure(description: "the simulator is running already") }
    do {
      for try await port in ports { return port }
    } catch {
      running.withLock { $0.task = nil }
      throw error
    }
    throw StartFailure(description: "the simulator ended before it listened")
  }

  /// Serves until the calling task is cancelled. `listening` is called with the port once it listens.
  public func run(listening: @escaping @Sendable (Int) -> Void = { _ in }) async throws {
    try await serve(listening)
  }

  /// Stops listening and cuts every open connection; afterwards connections are refused.
  public func stop() async {
    let task = running.withLock { running in
      defer { running.task = nil }
      return running.task
    }
    task?.cancel()
    _ = await task?.result
  }

  private func serve(_ listening: @escaping @Sendable (Int) -> Void) async throws {
    let store = try StoreServer(host: configuration.store.host, port: storePort, state: state)
    running.withLock { $0.storePort = store.port }
    let base = storeEndpoint
    state.with { $0.store.base = base }
    do {
      try await serveAPIs(listening)
    } catch {
      await store.stop()
      throw error
    }
    await store.stop()
  }

  private func serveAPIs(_ listening: @escaping @Sendable (Int) -> Void) async throws {
    let state = state
    // Without Hummingbird's router and application around it: those would set a `Date` of their own.
    let handler = HTTP1Channel { request, writer, channel in
      let response = try await Self.respond(to: request, channel, state)
      try await writer.write(response: response.head, body: response.body)
    }
    let server = Server(
      childChannelSetup: handler,
      configuration: ServerConfiguration(address: .hostname(configuration.host, port: port)),
      onServerRunning: { [self] channel in
        let port = channel.localAddress?.port ?? 0
        running.withLock { $0.port = port }
        let base = pixxelEndpoint
        state.with { $0.base = base }
        listening(port)
      }, eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: configuration.logger)
    do {
      try await server.run()
    } catch is CancellationError {
      // How it is stopped.
    }
  }

  private static func respond(
    to request: Request, _ channel: any Channel, _ state: SimulatorState
  ) async throws -> Response {
    let incoming = IncomingRequest(
      method: request.method.rawValue, path: request.head.path ?? "/", authorization: request.headers[.authorization],
      host: request.head.authority)
    if case .administration(let parts) = incoming.route {
      // Orders are small; 64 MiB leaves room for a task whose files are given in base64.
      let body = try await request.body.collect(upTo: 67_108_864)
      var response = AdministrationAPI(state: state).response(incoming.method, parts, Array(body.readableBytesView))
      response.headers[.date] = state.date()
      return response
    }
    let transport = Transport(
      verdict: state.receive(incoming), isHead: incoming.method == "HEAD", state: state, channel: channel)
    return try await transport.response()
  }

  // MARK: Tasks, faults, counters

  /// Adds a task, or puts it in the place of the one with its id. Its script begins now.
  public func put(_ task: SimulatedTask) {
    let now = SimulatorState.monotonic()
    state.with { $0.put(task, now: now) }
  }

  /// Changes a task, for instance its state; its script begins anew. Does nothing for an unknown id.
  public func update(_ id: String, _ change: (inout SimulatedTask) -> Void) {
    let now = SimulatorState.monotonic()
    state.with { model in
      guard var task = model.task(id) else { return }
      change(&task)
      model.put(task, now: now)
    }
  }

  /// Puts a task into a state, where it stays.
  public func setState(_ id: String, _ state: TaskState) {
    update(id) { $0.script = .fixed(state) }
  }

  /// Makes the id unknown.
  public func remove(_ id: String) { state.with { $0.remove(id) } }

  public var tasks: [SimulatedTask] { state.with { $0.tasks } }

  /// The rules for what goes wrong, in place of the ones before. The first that fits a request is applied to it.
  public func setFaults(_ rules: [FaultRule]) { state.with { $0.plan = FaultPlan(rules) } }

  /// One rule in place of all before.
  public func setFaults(_ faults: Faults, task: String? = nil, kind: RequestKind? = nil, times: Int? = nil) {
    setFaults([FaultRule(faults, task: task, kind: kind, times: times)])
  }

  public func clearFaults() { setFaults([]) }

  /// Micro-dollars left on the account; nil is without end.
  public var balance: Int64? {
    get { state.with { $0.balance } }
    set { state.with { $0.balance = newValue } }
  }

  public func counters() -> Counters { state.with { $0.counters } }

  /// The last requests, oldest first, at most 1,000; the administration's own are not among them.
  public func requests() -> [RequestRecord] { state.with { $0.log } }

  /// Forgets counters and requests; tasks, faults and balance stay.
  public func resetCounters() { state.with { $0.resetCounters() } }
}
