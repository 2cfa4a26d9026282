import Glibc

/// Sends one answer of the store as its faults say, and counts what left.
struct StoreTransport {
  let request: StoreRequest
  let connection: StoreConnection

  private var state: SimulatorState { connection.state }

  /// Answers; false when the connection ends with it.
  func answer() -> Bool {
    // Before the model is asked, which must not wait for a file to be made.
    for file in state.with({ $0.files(for: request) }) { _ = try? file.open() }
    let verdict = state.receive(request)
    var sending = StoreSending(verdict: verdict, request: request, connection: connection)
    guard sending.waitsBeforehand() else {
      sending.end(completed: false)
      return false
    }
    return sending.send()
  }
}

/// An answer on its way.
struct StoreSending {
  private enum Outcome {
    case goesOn
    /// Nothing more is sent, and the connection stays or goes.
    case ends(keepsConnection: Bool)
  }

  let verdict: StoreVerdict
  let request: StoreRequest
  let connection: StoreConnection
  private let isChunked: Bool
  private var file: PackageFile?
  /// Bytes of the body that were counted.
  private var sent: Int64 = 0
  private var charged: Int64 = 0

  private var state: SimulatorState { connection.state }
  private var faults: Faults { verdict.faults }

  init(verdict: StoreVerdict, request: StoreRequest, connection: StoreConnection) {
    self.verdict = verdict
    self.request = request
    self.connection = connection
    isChunked = verdict.faults.contentLength == false
    file = verdict.answer.file
  }

  // MARK: Before the head

  /// False when there will be no answer.
  func waitsBeforehand() -> Bool {
    let delay = (faults.delay ?? 0) + state.with { $0.configuration.store.latency }
    if delay > 0, !connection.sleep(seconds: delay) { return false }
    if faults.hang == true { return connection.sleep(seconds: nil) }
    if faults.drop == true { return false }
    return faults.hold != true || connection.hold(in: state.pen)
  }

  private var length: Int64 {
    switch verdict.answer.body {
    case .bytes(let bytes): Int64(bytes.count)
    case .file(_, let range): Int64(range.count)
    }
  }

  private var hasBody: Bool { request.method != "HEAD" }

  private var head: [UInt8] {
    var answer = verdict.answer
    // A body that ends early and properly says so beforehand.
    if isChunked {
      answer.headers.append(("Transfer-Encoding", "chunked"))
    } else {
      answer.headers.append(("Content-Length", String(min(length, faults.endAfter ?? length))))
    }
    if !answer.headers.contains(where: { $0.name.lowercased() == "date" }), let date = state.date() {
      answer.headers.append(("Date", date))
    }
    answer.headers.append(("x-amz-request-id", String(verdict.number)))
    let lines =
      ["HTTP/1.1 \(answer.status) \(Self.reason(answer.status))"] + answer.headers.map { "\($0.name): \($0.value)" }
    return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
  }

  private static func reason(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 206: "Partial Content"
    case 307: "Temporary Redirect"
    case 403: "Forbidden"
    case 412: "Precondition Failed"
    case 416: "Range Not Satisfiable"
    case 503: "Service Unavailable"
    default: "Status"
    }
  }

  // MARK: Head and body

  /// False when the connection ends with it.
  mutating func send() -> Bool {
    state.with { $0.beginStore(verdict) }
    let (head, length) = (head, hasBody ? length : 0)
    var pacer = StorePacer(faults, length: length, bytesPerSecond: state.with { $0.configuration.store.bytesPerSecond })
    if length == 0 { end(completed: true) }
    guard connection.send(head, more: length > 0) == Int64(head.count) else {
      end(completed: false)
      return false
    }
    let start = SimulatorState.monotonic()
    while let step = pacer.next() {
      switch perform(step, pacer, since: start) {
      case .goesOn: continue
      case .ends(let keepsConnection):
        end(completed: false)
        return keepsConnection && sendLastChunk()
      }
    }
    return sendLastChunk()
  }

  private func sendLastChunk() -> Bool {
    let chunk = Array("0\r\n\r\n".utf8)
    return !isChunked || !hasBody || connection.send(chunk) == Int64(chunk.count)
  }

  private mutating func perform(_ step: StorePacer.Step, _ pacer: StorePacer, since start: Double) -> Outcome {
    var isThere = true
    switch step {
    case .send(let count): isThere = send(count, pacer)
    case .pause(let until):
      isThere = connection.sleep(seconds: max(0, start + until - SimulatorState.monotonic()))
    case .sleep(let seconds): isThere = connection.sleep(seconds: seconds)
    case .stall: isThere = connection.sleep(seconds: nil)
    case .hold: isThere = connection.hold(in: state.pen)
    case .nextVersion(let tears): switchVersion(tears: tears, offset: pacer.offset)
    case .expire: state.expire(verdict.key)
    case .end: return .ends(keepsConnection: true)
    case .reset, .close:
      connection.drain()
      if step == .reset { connection.resetOnClose() }
      isThere = false
    }
    return isThere ? .goesOn : .ends(keepsConnection: false)
  }

  /// Sends the piece that the pacer has just given.
  private mutating func send(_ count: Int64, _ pacer: StorePacer) -> Bool {
    let offset = pacer.offset - count
    let isLast = pacer.isLastPiece
    if isLast {
      self.count(count)
      if pacer.isComplete { end(completed: true) }
    }
    var left: Int64 = 0
    if !isChunked || connection.send(Array("\(String(count, radix: 16))\r\n".utf8), more: true) > 0 {
      left = sendBytes(at: offset, count: count)
      if isChunked, left == count, connection.send([13, 10]) < 2 { return false }
    }
    if isLast, left < count {
      self.count(left - count)
      end(completed: false)
    } else if !isLast {
      self.count(left)
    }
    return left == count
  }

  private func sendBytes(at offset: Int64, count: Int64) -> Int64 {
    switch verdict.answer.body {
    case .bytes(let bytes): return connection.send(bytes[Int(offset)..<Int(offset + count)])
    case .file(let opened, let range):
      let descriptor = (try? file?.open())?.descriptor ?? opened.descriptor
      let position = range.lowerBound + offset
      // The pacer gives the byte with the flipped bit by itself.
      guard offset == faults.flipBitAt else { return connection.sendFile(descriptor, at: position, count: count) }
      var byte: UInt8 = 0
      guard pread(descriptor, &byte, 1, off_t(position)) == 1 else { return 0 }
      return connection.send([byte ^ 1])
    }
  }

  private mutating func switchVersion(tears: Bool, offset: Int64) {
    guard let key = verdict.key else { return }
    let object = state.with { model in
      model.store.switchVersion(of: key)
      return model.store.object(key)
    }
    guard tears, let object, case .file(_, let range) = verdict.answer.body else { return }
    file = object.file
    state.with { $0.tearStore(verdict, version: object.version, offset: range.lowerBound + offset) }
  }

  // MARK: Counting

  private mutating func count(_ bytes: Int64) {
    sent += bytes
    state.with { $0.sentStore(verdict, bytes: bytes) }
  }

  mutating func end(completed: Bool) {
    let (bytes, before) = (sent, charged)
    charged = state.with { $0.endStore(verdict, completed: completed, bytes: bytes, charged: before) }
  }
}
