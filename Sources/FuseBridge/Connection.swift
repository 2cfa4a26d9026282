import CFuse
import FileSystem
import Glibc
import Logging

/// libfuse's session, the tree that it serves and the requests that wait for their answers.
///
/// Every request holds its connection, so that a reply, however late, finds libfuse's session still there: the session is
/// destroyed with the last of them.
final class Connection: Sendable {
  struct Requests {
    var inFlight: [ObjectIdentifier: InFlight] = [:]
    /// Set once the session ends: what comes now is answered ENOTCONN without asking the tree.
    var isRefusing = false
    /// Until when requests in flight may still be answered; nil while nobody wants to stop.
    var drainDeadline: ContinuousClock.Instant?
  }

  let fileSystem: any FileSystem
  let logger: Logger
  let owner: Owner
  let ranges = RangeReader()
  let requests = Monitor(Requests())
  let maxRead: UInt32?
  // Written once, by the initializer, before any other thread can know this object.
  nonisolated(unsafe) private(set) var session: OpaquePointer?

  /// Makes the session; it is not connected to anything yet.
  init(
    fileSystem: any FileSystem, options: MountOptions, logger: Logger,
    operations: fuse_lowlevel_ops = Operations.table()
  ) throws(FuseFailure) {
    self.fileSystem = fileSystem
    self.logger = logger
    self.maxRead = options.maxRead
    self.owner = Owner(userID: getuid(), groupID: getgid())
    var arguments = fuse_args(argc: 0, argv: nil, allocated: 0)
    defer { fuse_opt_free_args(&arguments) }
    fuse_opt_add_arg(&arguments, "tollfs")
    for option in options.forLibrary {
      fuse_opt_add_arg(&arguments, "-o")
      fuse_opt_add_arg(&arguments, option)
    }
    var operations = operations
    session = tollfs_session_new(&arguments, &operations, Unmanaged.passUnretained(self).toOpaque())
    guard session != nil else {
      throw .invalidOption(options.forLibrary.joined(separator: ","), reason: LibraryLog.lastMessage)
    }
  }

  deinit {
    if let session { fuse_session_destroy(session) }
    ranges.close()
  }

  /// The connection that a request came through.
  static func of(_ request: OpaquePointer) -> Connection {
    of(userdata: fuse_req_userdata(request))
  }

  static func of(userdata: UnsafeMutableRawPointer?) -> Connection {
    guard let userdata else { preconditionFailure("every session is made with its connection as userdata") }
    return Unmanaged<Connection>.fromOpaque(userdata).takeUnretainedValue()
  }

  /// Takes a request up, unless the session is ending.
  func admit(_ operation: StaticString) -> InFlight? {
    let candidate = InFlight(connection: self, operation: operation)
    return requests.withLock { requests in
      guard !requests.isRefusing else { return nil }
      requests.inFlight[ObjectIdentifier(candidate)] = candidate
      return candidate
    }
  }

  func finished(_ request: InFlight) {
    requests.withLock { _ = $0.inFlight.removeValue(forKey: ObjectIdentifier(request)) }
  }

  // MARK: The end

  /// Takes no further requests and lets those in flight be answered until the deadline; an earlier deadline wins.
  func beginDraining(until deadline: ContinuousClock.Instant) {
    requests.withLock { requests in
      requests.isRefusing = true
      requests.drainDeadline = min(deadline, requests.drainDeadline ?? deadline)
    }
  }

  /// How long a tree may take to notice that it was cancelled. A tree answers a cancellation at once; this is for one
  /// that doesn't.
  static let cancellationGrace = Duration.seconds(2)

  /// Blocks until every request is answered, cancelling those that are left at the deadline.
  /// Returns how many ignored even that.
  func drain() -> Int {
    let isDone = requests.wait(until: { $0.drainDeadline ?? .now }, for: { $0.inFlight.isEmpty })
    if isDone { return 0 }
    let left = requests.withLock { Array($0.inFlight.values) }
    logger.debug("cancelling the requests in flight", metadata: ["count": "\(left.count)"])
    for request in left { request.cancel() }
    let limit = ContinuousClock.now + Self.cancellationGrace
    _ = requests.wait(until: { _ in limit }, for: { $0.inFlight.isEmpty })
    return requests.withLock { $0.inFlight.count }
  }

  /// Lets go of the kernel's side, whoever still holds this object: whoever waits for an answer gets ENOTCONN, and late
  /// answers go nowhere.
  func sever() {
    guard let session else { return }
    let nowhere = open("/dev/null", O_RDWR | O_CLOEXEC)
    guard nowhere >= 0 else { return }
    // The number stays taken, so that a late reply can't write into a file that somebody opened since.
    dup2(nowhere, fuse_session_fd(session))
    close(nowhere)
  }

  // MARK: Receiving

  /// Answers requests until the connection ends or somebody writes to `wake`. Blocks its thread.
  func serve(until wake: Int32) {
    guard let session else { return }
    let device = fuse_session_fd(session)
    // So that a stop is noticed while nothing comes: waiting is poll's, which also watches `wake`.
    _ = fcntl(device, F_SETFL, fcntl(device, F_GETFL) | O_NONBLOCK)
    var buffer = fuse_buf()
    defer { free(buffer.mem) }
    while fuse_session_exited(session) == 0 {
      let count = fuse_session_receive_buf(session, &buffer)
      switch count {
      case 1...:
        fuse_session_process_buf(session, &buffer)
      case -EINTR: continue
      case -EAGAIN:
        if !Self.waitForRequest(device: device, wake: wake) { return }
      case 0:
        // Unmounted, or the connection was aborted.
        return
      default:
        logger.error("can't receive requests", metadata: ["errno": "\(errorText(-count))"])
        return
      }
    }
  }

  private static func waitForRequest(device: Int32, wake: Int32) -> Bool {
    var sources = [
      pollfd(fd: device, events: Int16(POLLIN), revents: 0), pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
    ]
    _ = poll(&sources, 2, -1)
    return sources[1].revents == 0
  }
}
