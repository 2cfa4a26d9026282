import Glibc
import Synchronization

/// Listens for the store: one thread for each connection, which blocks as it likes.
///
/// The API's half of the simulator runs on Hummingbird. A store must send gigabytes as fast as the machine can, and know to the byte what
/// it has given to the socket when a connection breaks; with sendfile(2) on a blocking socket both are one return value.
final class StoreServer: Sendable {
  struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ what: String) {
      description = "\(what): \(String(cString: strerror(errno)))"
    }
  }

  private struct Life {
    var connections: [Int: StoreConnection] = [:]
    var next = 0
    var isStopping = false
    /// The listening thread and those of the connections.
    var threads = 1
    var stopped: [CheckedContinuation<Void, Never>] = []
  }

  let port: Int
  private let state: SimulatorState
  private let listener: Int32
  private let life = Mutex(Life())

  /// Listens from now on.
  init(host: String, port: Int, state: SimulatorState) throws(Failure) {
    self.state = state
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard listener >= 0 else { throw Failure("socket") }
    do throws(Failure) {
      self.port = try Self.listen(listener, host: host, port: port)
    } catch {
      close(listener)
      throw error
    }
    BlockingThread.start { [self] in acceptConnections() }
  }

  private static func listen(_ socket: Int32, host: String, port: Int) throws(Failure) -> Int {
    var on: Int32 = 1
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    guard inet_pton(AF_INET, host == "localhost" ? "127.0.0.1" : host, &address.sin_addr) == 1 else {
      errno = EINVAL
      throw Failure("\(host) is no IPv4 address")
    }
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isListening = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, length) == 0 && Glibc.listen(socket, 256) == 0 && getsockname(socket, $0, &length) == 0
      }
    }
    guard isListening else { throw Failure("listening at \(host):\(port)") }
    return Int(UInt16(bigEndian: address.sin_port))
  }

  private func acceptConnections() {
    while true {
      let socket = accept(listener, nil, nil)
      if socket < 0 {
        // Out of descriptors is no reason to end; a client that has gone again isn't either.
        guard errno != EINVAL, errno != EBADF else { break }
        usleep(1_000)
        continue
      }
      // accept4(2) would do both at once, but Swift's Glibc module does not show it.
      _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
      serve(socket)
    }
    close(listener)
    threadEnded()
  }

  private func serve(_ socket: Int32) {
    guard let connection = StoreConnection(socket: socket, state: state) else {
      close(socket)
      return
    }
    let number = life.withLock { life -> Int? in
      guard !life.isStopping else { return nil }
      life.next += 1
      life.threads += 1
      life.connections[life.next] = connection
      return life.next
    }
    guard let number else { return connection.close() }
    BlockingThread.start { [self] in
      connection.run()
      _ = life.withLock { $0.connections.removeValue(forKey: number) }
      connection.close()
      threadEnded()
    }
  }

  private func threadEnded() {
    let stopped = life.withLock { life in
      life.threads -= 1
      guard life.threads == 0 else { return [CheckedContinuation<Void, Never>]() }
      defer { life.stopped = [] }
      return life.stopped
    }
    for continuation in stopped { continuation.resume() }
  }

  /// Cuts every connection and returns when all threads have ended.
  func stop() async {
    let connections = life.withLock { life in
      life.isStopping = true
      return Array(life.connections.values)
    }
    shutdown(listener, Int32(SHUT_RDWR))
    for connection in connections { connection.cut() }
    await withCheckedContinuation { continuation in
      let isOver = life.withLock { life in
        if life.threads > 0 { life.stopped.append(continuation) }
        return life.threads == 0
      }
      if isOver { continuation.resume() }
    }
  }
}

/// A thread that may block.
enum BlockingThread {
  private final class Body {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) {
      self.run = run
    }
  }

  static func start(_ run: @escaping @Sendable () -> Void) {
    let body = Unmanaged.passRetained(Body(run))
    var thread = pthread_t()
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    let status = pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument else { return nil }
        // sendfile(2) to a connection that is gone raises SIGPIPE in the thread that called it, and can't be told not to.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, body.toOpaque())
    pthread_attr_destroy(&attributes)
    precondition(status == 0, "the machine has no further thread")
  }

  /// Runs `body` on such a thread and waits for it without blocking.
  static func call<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
      start { continuation.resume(returning: body()) }
    }
  }
}
