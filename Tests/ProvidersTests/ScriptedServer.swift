import Foundation
import Glibc
import Synchronization

/// A server on loopback that does what a test says, byte by byte: what a proper HTTP server would never do.
final class ScriptedServer: Sendable {
  struct Request: Hashable, Sendable {
    let method: String
    let target: String
    /// Names in lower case.
    let headers: [String: String]
  }

  private struct State: Sendable {
    var requests: [Request] = []
    var open: Set<Int32> = []
    var accepted = 0
    var isStopped = false
  }

  let port: Int
  private let listener: Int32
  private let state = Mutex(State())

  /// - Parameter handler: called on a thread of its own for every connection, which is closed when it returns.
  init(_ handler: @escaping @Sendable (ServerConnection) -> Void) throws {
    (listener, port) = try Self.listen(backlog: 64)
    let listener = listener
    Thread.detachNewThread { [weak self] in
      while true {
        let descriptor = accept(listener, nil, nil)
        guard descriptor >= 0 else { return }
        guard let self else {
          close(descriptor)
          return
        }
        self.serve(descriptor, handler)
      }
    }
  }

  /// Answers every request, on connections that are kept alive, by what `reply` makes of it.
  convenience init(reply: @escaping @Sendable (Request, _ number: Int) -> String) throws {
    try self.init { connection in
      while let request = connection.readRequest() {
        connection.send(reply(request, connection.requestCount()))
      }
    }
  }

  deinit {
    stop()
  }

  var requests: [Request] { state.withLock { $0.requests } }
  var connectionsAccepted: Int { state.withLock { $0.accepted } }
  var openConnections: Int { state.withLock { $0.open.count } }

  /// Closes everything; handlers that wait for bytes come to their end.
  func stop() {
    let isFirst = state.withLock { state in
      guard !state.isStopped else { return false }
      state.isStopped = true
      for descriptor in state.open { shutdown(descriptor, Int32(SHUT_RDWR)) }
      return true
    }
    guard isFirst else { return }
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }

  private func serve(_ descriptor: Int32, _ handler: @escaping @Sendable (ServerConnection) -> Void) {
    state.withLock { state in
      state.open.insert(descriptor)
      state.accepted += 1
    }
    let note: @Sendable (Request) -> Int = { [weak self] request in
      self?.state.withLock { state in
        state.requests.append(request)
        return state.requests.count
      } ?? 0
    }
    Thread.detachNewThread { [weak self] in
      let connection = ServerConnection(descriptor, note: note)
      handler(connection)
      // Out of the set first: a closed number may be another connection's a moment later.
      _ = self?.state.withLock { $0.open.remove(descriptor) }
      connection.closeNow()
    }
  }

  static func listen(backlog: Int32) throws -> (descriptor: Int32, port: Int) {
    struct CanNotListen: Error {}
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
        bind(descriptor, raw, length) == 0 && Glibc.listen(descriptor, backlog) == 0
          && getsockname(descriptor, raw, &length) == 0
      }
    }
    guard isBound else { throw CanNotListen() }
    return (descriptor, Int(address.sin_port.bigEndian))
  }

  /// A port that nobody listens on, just now.
  static func unusedPort() throws -> Int {
    let (descriptor, port) = try listen(backlog: 1)
    close(descriptor)
    return port
  }
}

/// One accepted connection, used by one thread.
final class ServerConnection {
  private let descriptor: Int32
  private let note: @Sendable (ScriptedServer.Request) -> Int
  private var buffered: [UInt8] = []
  private var number = 0

  init(_ descriptor: Int32, note: @escaping @Sendable (ScriptedServer.Request) -> Int) {
    self.descriptor = descriptor
    self.note = note
  }

  /// The head of the next request, or nil when the client closed. Requests have no bodies here.
  func readRequest() -> ScriptedServer.Request? {
    let mark = Array("\r\n\r\n".utf8)
    while true {
      if let end = buffered.indices.first(where: { buffered[$0...].starts(with: mark) }) {
        let text = String(decoding: buffered[..<end], as: UTF8.self)
        buffered.removeSubrange(..<(end + 4))
        let request = Self.parse(text)
        number = note(request)
        return request
      }
      var chunk = [UInt8](repeating: 0, count: 16 << 10)
      let count = recv(descriptor, &chunk, chunk.count, 0)
      guard count > 0 else { return nil }
      buffered += chunk[..<count]
    }
  }

  /// Whatever comes first, raw.
  func readBytes() -> [UInt8] {
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    let count = recv(descriptor, &chunk, chunk.count, 0)
    return Array(chunk.prefix(max(0, count)))
  }

  /// How many requests the server had seen with the last one of this connection.
  func requestCount() -> Int { number }

  /// False when the client is gone.
  @discardableResult
  func send(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  @discardableResult
  func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  /// Waits until the client closes, and drops what it still sends.
  func waitForClose() {
    var chunk = [UInt8](repeating: 0, count: 4096)
    while recv(descriptor, &chunk, chunk.count, 0) > 0 {}
  }

  /// Makes the close that follows a reset (RST) instead of a proper end.
  func resetOnClose() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
  }

  func closeNow() {
    close(descriptor)
  }

  private static func parse(_ text: String) -> ScriptedServer.Request {
    let lines = text.split(separator: "\r\n")
    let words = (lines.first ?? "").split(separator: " ").map(String.init)
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].drop { $0 == " " }.description
    }
    return ScriptedServer.Request(
      method: words.first ?? "", target: words.count > 1 ? words[1] : "", headers: headers)
  }
}
