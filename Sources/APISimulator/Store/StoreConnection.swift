import Glibc
import Synchronization

/// One connection to the store. Everything but ``cut()`` happens on its own thread.
final class StoreConnection: Sendable {
  /// Why a wait is over.
  private enum Wake {
    case elapsed
    /// Woken by ``wake()``.
    case called
    /// The client has closed the connection, or the store is stopping.
    case gone
  }

  let socket: Int32
  let state: SimulatorState
  /// A pipe that is written to to end a wait: where it is read, and where it is written.
  private let bell: [Int32]
  /// Whether the descriptors are open: their numbers may belong to somebody else afterwards.
  private let isOpen = Mutex(true)
  private let isCut = Atomic(false)

  init?(socket: Int32, state: SimulatorState) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return nil }
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    bell = ends
    self.socket = socket
    self.state = state
    var on: Int32 = 1
    setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  func close() {
    isOpen.withLock { isOpen in
      guard isOpen else { return }
      isOpen = false
      Glibc.close(socket)
      for end in bell { Glibc.close(end) }
    }
  }

  /// Ends it from another thread.
  func cut() {
    isCut.store(true, ordering: .sequentiallyConsistent)
    isOpen.withLock { if $0 { shutdown(socket, Int32(SHUT_RDWR)) } }
    wake()
  }

  /// Ends a wait from another thread.
  func wake() {
    isOpen.withLock { if $0 { _ = write(bell[1], "!", 1) } }
  }

  /// Answers requests until the connection ends.
  func run() {
    var buffer: [UInt8] = []
    while let head = readHead(&buffer), skipBody(head, &buffer) {
      let request = StoreRequest(method: head.method, target: head.target, headers: head.headers)
      guard StoreTransport(request: request, connection: self).answer(), !head.closesConnection else { return }
    }
  }

  // MARK: Receiving

  private func readHead(_ buffer: inout [UInt8]) -> RequestHead? {
    while true {
      if let found = Self.endOfHead(buffer) {
        defer { buffer.removeFirst(found + 4) }
        return RequestHead(buffer[..<found])
      }
      guard buffer.count < RequestHead.limit, receive(&buffer) else { return nil }
    }
  }

  /// Where the empty line begins. A plain loop over raw bytes, because the store must be quick in a test build too.
  private static func endOfHead(_ buffer: [UInt8]) -> Int? {
    buffer.withUnsafeBytes { bytes in
      var index = 0
      while index + 3 < bytes.count {
        if bytes[index] == 13, bytes[index + 1] == 10, bytes[index + 2] == 13, bytes[index + 3] == 10 { return index }
        index += 1
      }
      return nil
    }
  }

  private func skipBody(_ head: RequestHead, _ buffer: inout [UInt8]) -> Bool {
    var rest = head.contentLength
    while rest > 0 {
      if buffer.isEmpty, !receive(&buffer) { return false }
      let count = min(rest, buffer.count)
      buffer.removeFirst(count)
      rest -= count
    }
    return true
  }

  private func receive(_ buffer: inout [UInt8]) -> Bool {
    var piece = [UInt8](repeating: 0, count: 16_384)
    var count = recv(socket, &piece, piece.count, 0)
    while count < 0, errno == EINTR { count = recv(socket, &piece, piece.count, 0) }
    guard count > 0 else { return false }
    buffer += piece.prefix(count)
    return true
  }

  // MARK: Sending

  /// How many of the bytes the socket took; fewer than all when the connection is gone.
  func send(_ bytes: some Collection<UInt8>, more: Bool = false) -> Int64 {
    let bytes = Array(bytes)
    let flags = Int32(MSG_NOSIGNAL) | (more ? Int32(MSG_MORE) : 0)
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(socket, $0.baseAddress?.advanced(by: sent), $0.count - sent, flags)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      sent += count
    }
    return Int64(sent)
  }

  /// The same with bytes of a file.
  func sendFile(_ descriptor: Int32, at offset: Int64, count: Int64) -> Int64 {
    var position = off_t(offset)
    var sent: Int64 = 0
    while sent < count {
      let result = sendfile(socket, descriptor, &position, Int(count - sent))
      if result < 0, errno == EINTR { continue }
      guard result > 0 else { break }
      sent += Int64(result)
    }
    return sent
  }

  // MARK: Waiting

  /// Waits for so many seconds, or for ever; false when the connection ended meanwhile.
  func sleep(seconds: Double?) -> Bool {
    let end = seconds.map { SimulatorState.monotonic() + $0 }
    while true {
      // A bell may still ring for an earlier wait.
      switch wait(seconds: end.map { $0 - SimulatorState.monotonic() }) {
      case .elapsed: return true
      case .called: continue
      case .gone: return false
      }
    }
  }

  /// POLLRDHUP of poll(2), which Swift's Glibc module does not show: the client sends no more.
  private static let hasHungUp: Int16 = 0x2000

  private func wait(seconds: Double?) -> Wake {
    let end = seconds.map { SimulatorState.monotonic() + $0 }
    while true {
      guard !isCut.load(ordering: .sequentiallyConsistent) else { return .gone }
      let rest = end.map { $0 - SimulatorState.monotonic() }
      if let rest, rest <= 0 { return .elapsed }
      var polled = [
        pollfd(fd: socket, events: Self.hasHungUp, revents: 0), pollfd(fd: bell[0], events: Int16(POLLIN), revents: 0),
      ]
      // Rounded up, so that it doesn't end before its time; an hour at most, since the field is a small one.
      let count = poll(&polled, 2, rest.map { Int32(min($0 * 1_000, 3_600_000).rounded(.up)) } ?? -1)
      if count > 0, polled[1].revents != 0 {
        var rings: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0]
        while read(bell[0], &rings, rings.count) > 0 {}
        return isCut.load(ordering: .sequentiallyConsistent) ? .gone : .called
      }
      if count > 0, polled[0].revents != 0 { return .gone }
    }
  }

  /// Waits to be released; false when the connection has ended before.
  func hold(in pen: HoldingPen) -> Bool {
    let number = pen.number()
    let isReleased = Flag()
    pen.enter(number) { [self] in
      isReleased.set()
      wake()
    }
    while !isReleased.isSet {
      if wait(seconds: nil) == .gone {
        pen.leave(number)
        return false
      }
    }
    return true
  }

  private final class Flag: Sendable {
    private let value = Atomic(false)
    var isSet: Bool { value.load(ordering: .sequentiallyConsistent) }
    func set() { value.store(true, ordering: .sequentiallyConsistent) }
  }

  // MARK: Ending

  /// Waits until the client's machine has all that was sent (tcp(7): SIOCOUTQ): a reset throws away what has not arrived.
  func drain() {
    while true {
      var count: Int32 = 0
      // SIOCOUTQ is a macro for the same number, which Swift can't see.
      guard ioctl(socket, UInt(TIOCOUTQ), &count) == 0, count > 0, sleep(seconds: 0.002) else { return }
    }
  }

  /// Makes the close send a RST (socket(7): SO_LINGER with a linger time of zero).
  func resetOnClose() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(socket, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
  }
}
