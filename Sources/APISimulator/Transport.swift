import Glibc
import HTTPTypes
import HummingbirdCore
import NIOCore

/// Sends an answer over its connection as its faults say.
struct Transport: Sendable {
  /// The answer ends here by design, without its proper end: what is thrown into Hummingbird to make it close the connection.
  struct CutShort: Error {}

  let verdict: Verdict
  /// Whether the answer has no body, only what would be said of it.
  let isHead: Bool
  let state: SimulatorState
  let channel: any Channel

  /// The response, after whatever comes before its head.
  func response() async throws -> Response {
    do {
      return try await begun()
    } catch {
      // Without this, an error (or the simulator being stopped) would be answered with a 500 of Hummingbird's own.
      state.end(verdict, completed: false)
      try? await channel.close()
      throw error
    }
  }

  private func begun() async throws -> Response {
    let faults = verdict.faults
    if let delay = faults.delay { try await Task.sleep(for: .seconds(delay)) }
    if faults.hang == true { try await Self.sleepForever() }
    if faults.drop == true { throw CutShort() }
    if faults.hold == true { await state.pen.wait() }
    try Task.checkCancellation()
    var headers = HTTPFields()
    if let type = verdict.answer.contentType { headers[.contentType] = type }
    for (name, value) in verdict.answer.headers {
      if let field = HTTPField.Name(name) { headers[field] = value }
    }
    if headers[.date] == nil { headers[.date] = state.date() }
    let length = try await contentLength()
    state.begin(verdict)
    if isHead {
      state.end(verdict, completed: true)
      return Response(
        status: .init(code: verdict.answer.status), headers: headers,
        body: ResponseBody(contentLength: length.map { Int($0) }) {
          try await $0.finish(nil)
        })
    }
    let body = ResponseBody(contentLength: length.map { Int($0) }) { writer in
      do {
        try await send(to: &writer)
      } catch {
        state.end(verdict, completed: false)
        throw error
      }
    }
    return Response(status: .init(code: verdict.answer.status), headers: headers, body: body)
  }

  /// What `Content-Length` says, or nil for a chunked body.
  private func contentLength() async throws -> Int64? {
    switch verdict.answer.body {
    case .bytes(let bytes): verdict.faults.contentLength == false ? nil : declared(Int64(bytes.count))
    case .archive(let result):
      verdict.faults.contentLength == true ? declared(try await ArchiveReader(result).length()) : nil
    }
  }

  /// A body that ends early and properly says so beforehand.
  private func declared(_ length: Int64) -> Int64 { min(length, verdict.faults.endAfter ?? length) }

  private func send(to writer: inout any ResponseBodyWriter) async throws {
    var pacer = BodyPacer(verdict.faults)
    let hasEnded: Bool
    switch verdict.answer.body {
    case .bytes(let bytes): hasEnded = try await perform(pacer.steps(for: bytes), &writer)
    case .archive(let result):
      let reader = ArchiveReader(result)
      var ended = false
      while !ended, let piece = try await reader.next() {
        ended = try await perform(pacer.steps(for: piece), &writer)
      }
      hasEnded = ended
    }
    // Before the end is written: who has seen it may ask for the counters at once.
    state.end(verdict, completed: !hasEnded)
    try await writer.finish(nil)
  }

  /// Does what the pacer says; true when the body is to end here.
  private func perform(_ steps: [BodyPacer.Step], _ writer: inout any ResponseBodyWriter) async throws -> Bool {
    for step in steps {
      switch step {
      case .send(let bytes):
        state.sent(verdict, bytes: Int64(bytes.count))
        try await writer.write(ByteBuffer(bytes: bytes))
        // A write only queues on the event loop, and learns from an earlier one that the socket is full. On a busy machine the
        // loop runs late and hundreds of megabytes queue up before it; so wait until it has seen this one.
        try await channel.eventLoop.submit {}.get()
      case .sleep(let seconds): try await Task.sleep(for: .seconds(seconds))
      case .stall: try await Self.sleepForever()
      case .end: return true
      case .close:
        try await drain()
        throw CutShort()
      case .reset:
        try await drain()
        try await reset()
        throw CutShort()
      }
    }
    return false
  }

  /// Waits until the client's machine has all that was written. Closing a channel throws away what waits in it, and a reset
  /// what waits in the kernel, and "after N bytes" must mean that the N bytes arrived.
  private func drain() async throws {
    while try await unacknowledged() > 0 { try await Task.sleep(for: .milliseconds(5)) }
  }

  /// How many bytes wait in the channel or, sent or not, in the kernel's queue (tcp(7): SIOCOUTQ).
  private func unacknowledged() async throws -> Int {
    let inChannel = try await channel.getOption(ChannelOptions.bufferedWritableBytes).get()
    let inKernel = try await channel.eventLoop.submit {
      try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable { (socket: CInt) -> Int in
        var count: CInt = 0
        // SIOCOUTQ is a macro for the same number, which Swift can't see.
        return ioctl(socket, UInt(TIOCOUTQ), &count) == 0 ? Int(count) : 0
      }
    }.get()
    return inChannel + (inKernel ?? 0)
  }

  /// Makes the close send a RST (socket(7): SO_LINGER with a linger time of zero).
  private func reset() async throws {
    guard let socket = channel as? any SocketOptionProvider else { return }
    try await socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
    try? await channel.close()
  }

  /// Until the task is cancelled, which happens when the simulator stops.
  private static func sleepForever() async throws {
    while true { try await Task.sleep(for: .seconds(3_600)) }
  }
}
