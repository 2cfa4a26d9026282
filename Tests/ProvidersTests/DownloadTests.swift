import Glibc
import Tasks
import Testing

@testable import Providers

/// The billed call. The server's count of requests is the oracle: one, except where nothing can have been billed.
@Suite struct DownloadTests {
  private func answering(_ script: @escaping @Sendable (ServerConnection) -> Void) throws -> ScriptedServer {
    try ScriptedServer { connection in
      guard connection.readRequest() != nil else { return }
      script(connection)
    }
  }

  @Test func aLengthDelimitedBodyArrivesWhole() async throws {
    let body = Fixture.archive(3_000_000)
    let server = try answering { connection in
      connection.send(Fixture.archiveHead("Content-Length: \(body.count)"))
      connection.send(body)
    }
    let bench = try Bench(port: server.port)
    let stream = try await bench.download().get()
    #expect(stream.expectedLength == ByteCount(body.count))
    let (bytes, failure) = await drain(stream)
    #expect(failure == nil)
    #expect(bytes == body)
    let request = try #require(server.requests.first)
    #expect(request.target == "/serve/api/v2/screenplay/tasks/a/download")
    #expect(request.headers["accept"] == "application/zip")
    #expect(request.headers["accept-encoding"] == "identity")
    #expect(try await stream.next() == nil)
    await bench.shutdown()
  }

  @Test func aChunkedBodyOfTinyChunksArrivesWhole() async throws {
    let body = Fixture.archive(40_000)
    let server = try answering { connection in
      connection.send(Fixture.archiveHead("Transfer-Encoding: chunked"))
      connection.send(body.flatMap { [0x31, 0x0d, 0x0a, $0, 0x0d, 0x0a] })
      connection.send("0\r\n\r\n")
      connection.waitForClose()
    }
    let bench = try Bench(port: server.port)
    let stream = try await bench.download().get()
    #expect(stream.expectedLength == nil)
    let (bytes, failure) = await drain(stream)
    #expect(failure == nil)
    #expect(bytes == body)
    await bench.shutdown()
  }

  @Test(arguments: ["application/zip", "application/octet-stream", "text/plain", ""])
  func whatStartsLikeAnArchiveIsOne(type: String) async throws {
    let body = Fixture.archive(1000)
    let server = try answering { connection in
      let line = type.isEmpty ? "" : "Content-Type: \(type)\r\n"
      connection.send("HTTP/1.1 200 OK\r\n\(line)Content-Length: 1000\r\n\r\n")
      connection.send(body)
    }
    let bench = try Bench(port: server.port)
    #expect(await drain(try await bench.download().get()).bytes == body)
    await bench.shutdown()
  }

  @Test func anErrorInJSONIsNotBilledAndNotRepeated() async throws {
    for status in [200, 400, 500] {
      let server = try ScriptedServer { _, _ in
        Fixture.reply(status, Fixture.refused(500, "Insufficient balance to download the resource."))
      }
      let bench = try Bench(port: server.port)
      let failure = try #require(await bench.download().failure)
      #expect(failure.kind == .insufficientBalance)
      #expect(failure.billing == .notBilled)
      #expect(server.requests.count == 1)
      await bench.shutdown()
    }
  }

  @Test func aPageInsteadOfAnArchiveMayHaveBeenBilled() async throws {
    let server = try ScriptedServer { _, _ in Fixture.reply(200, "<html>hello</html>", type: "text/html") }
    let bench = try Bench(port: server.port)
    let failure = try #require(await bench.download().failure)
    #expect(failure.kind == .badAnswer)
    #expect(failure.billing == .unknown)
    #expect(server.requests.count == 1)
    await bench.shutdown()
  }

  @Test func aRefusedConnectionIsRepeatedAndNotBilled() async throws {
    let bench = try Bench(port: try ScriptedServer.unusedPort(), retries: 3)
    let failure = try #require(await bench.download().failure)
    #expect(failure.kind == .unreachable)
    #expect(failure.billing == .notBilled)
    #expect(bench.clock.sleeps.count == 3)
    await bench.shutdown()
  }

  @Test func a429IsRepeated() async throws {
    let body = Fixture.archive(10)
    let server = try ScriptedServer { connection in
      while connection.readRequest() != nil {
        if connection.requestCount() < 3 {
          connection.send(Fixture.reply(429, Fixture.refused(429, "Too many requests")))
        } else {
          connection.send(Fixture.archiveHead("Content-Length: 10"))
          connection.send(body)
        }
      }
    }
    let bench = try Bench(port: server.port)
    #expect(await drain(try await bench.download().get()).bytes == body)
    #expect(server.requests.count == 3)
    // Each on a connection of its own: a reused one makes it unknowable whether a lost request was billed.
    #expect(server.connectionsAccepted == 3)
    await bench.shutdown()
  }

  @Test func silenceAfterTheRequestIsNeverRepeated() async throws {
    let server = try answering { $0.waitForClose() }
    let bench = try Bench(port: server.port, read: .milliseconds(200))
    let failure = try #require(await bench.download().failure)
    #expect(failure.kind == .timedOut)
    #expect(failure.billing == .unknown)
    #expect(server.requests.count == 1)
    await bench.shutdown()
  }

  @Test(arguments: [true, false])
  func aConnectionLostAfterTheRequestIsNeverRepeated(byReset: Bool) async throws {
    let server = try answering { if byReset { $0.resetOnClose() } }
    let bench = try Bench(port: server.port)
    let failure = try #require(await bench.download().failure)
    #expect(failure.kind == .unreachable)
    #expect(failure.billing == .unknown)
    #expect(server.requests.count == 1)
    await bench.shutdown()
  }

  @Test(arguments: ["Content-Length: 5000000", "Transfer-Encoding: chunked"])
  func aTruncatedBodyGivesAllThatArrivedThenFails(framing: String) async throws {
    // What the call itself looks at, then a little more than is collected for a reader who stays away. By the time that
    // the rest and the end come, the connection is not read any more, and the client would drop them.
    let body = Fixture.archive(320_000)
    let server = try answering { connection in
      connection.send(Fixture.archiveHead(framing))
      if framing.hasSuffix("chunked") { connection.send("4C4B40\r\n") }
      for part in [body[..<8], body[8..<270_000]] {
        connection.send(Array(part))
        usleep(200_000)
      }
      connection.send(Array(body[270_000...]))
    }
    let bench = try Bench(port: server.port)
    let stream = try await bench.download().get()
    // The server has closed, and everything is on this side, before the reader comes for more.
    try await eventually { server.openConnections == 0 }
    try await Task.sleep(for: .milliseconds(50))
    let (bytes, failure) = await drain(stream)
    #expect(bytes == body)
    #expect(failure?.kind == .unreachable)
    #expect(failure?.billing == .unknown)
    #expect(failure?.reason.contains("after 320000 bytes") == true, "\(failure?.reason ?? "")")
    #expect(server.requests.count == 1)
    await bench.shutdown()
  }

  @Test func aResetInMidBodyFails() async throws {
    let body = Fixture.archive(100_000)
    let server = try answering { connection in
      connection.send(Fixture.archiveHead("Content-Length: 5000000"))
      connection.send(body)
      usleep(50_000)
      connection.resetOnClose()
    }
    let bench = try Bench(port: server.port)
    let (bytes, failure) = await drain(try await bench.download().get())
    #expect(body.starts(with: bytes))
    #expect(failure?.kind == .unreachable)
    #expect(server.requests.count == 1)
    await bench.shutdown()
  }

  @Test func withoutASecureConnectionNothingIsSent() async throws {
    let seen = Counter()
    let server = try ScriptedServer { connection in
      if connection.readBytes().first == 0x16 { seen.add(1) }
      connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    }
    let bench = try Bench(port: server.port, scheme: "https")
    let failure = try #require(await bench.download().failure)
    #expect(failure.kind == .unreachable)
    #expect(failure.billing == .notBilled)
    // A TLS handshake was tried, once, and nothing else came.
    #expect(seen.value == 1 && server.connectionsAccepted == 1)
    await bench.shutdown()
  }

  @Test func aStallInMidBodyIsATimeout() async throws {
    let body = Fixture.archive(100_000)
    let server = try answering { connection in
      connection.send(Fixture.archiveHead("Content-Length: 5000000"))
      connection.send(body)
      connection.waitForClose()
    }
    let bench = try Bench(port: server.port, read: .seconds(1))
    let (bytes, failure) = await drain(try await bench.download().get())
    #expect(bytes == body)
    #expect(failure?.kind == .timedOut)
    #expect(failure?.billing == .unknown)
    try await eventually { server.openConnections == 0 }
    #expect(server.requests.count == 1)
    await bench.shutdown()
  }

  @Test func aTrickleBelowTheFloorIsATimeout() async throws {
    let server = try answering { connection in
      connection.send(Fixture.archiveHead("Content-Length: 5000000"))
      connection.send(Fixture.archive(8))
      while connection.send([0]) { usleep(10_000) }
    }
    // A byte every 10 ms never trips the read timeout, but is far below 100 kB a second.
    let bench = try Bench(port: server.port, read: .seconds(1), minimumRate: 100_000)
    let (bytes, failure) = await drain(try await bench.download().get())
    #expect(failure?.kind == .timedOut)
    #expect(failure?.reason.contains("only") == true)
    #expect(bytes.count > 8)
    await bench.shutdown()
  }

  @Test func aSlowReaderIsNoFaultOfTheServer() async throws {
    let body = Fixture.archive(2_000_000)
    let server = try answering { connection in
      connection.send(Fixture.archiveHead("Content-Length: \(body.count)"))
      connection.send(body)
      connection.waitForClose()
    }
    let bench = try Bench(port: server.port, read: .seconds(1), minimumRate: 1_000_000)
    let stream = try await bench.download().get()
    try await Task.sleep(for: .milliseconds(5500))
    let (bytes, failure) = await drain(stream)
    #expect(failure == nil)
    #expect(bytes == body)
    await bench.shutdown()
  }

  @Test func cancellingAReaderEndsTheStream() async throws {
    let server = try answering { connection in
      connection.send(Fixture.archiveHead("Content-Length: 5000000"))
      connection.send(Fixture.archive(100))
      connection.waitForClose()
    }
    let bench = try Bench(port: server.port)
    let stream = try await bench.download().get()
    let reader = Task { await drain(stream) }
    try await Task.sleep(for: .milliseconds(50))
    reader.cancel()
    #expect(await reader.value.failure?.kind == .cancelled)
    try await eventually { server.openConnections == 0 }
    await bench.shutdown()
  }

  @Test func cancelAndLettingGoBothCloseTheConnection() async throws {
    let body = Fixture.archive(100_000)
    let server = try answering { connection in
      connection.send(Fixture.archiveHead("Content-Length: 500000000"))
      while connection.send(body) {}
    }
    let bench = try Bench(port: server.port)
    var stream: (any ByteStream)? = try await bench.download().get()
    _ = try await stream?.next()
    stream = nil
    try await eventually { server.openConnections == 0 }

    let other = try await bench.download().get()
    _ = try await other.next()
    other.cancel()
    other.cancel()
    try await eventually { server.openConnections == 0 }
    #expect(await drain(other).failure?.kind == .cancelled)
    await bench.shutdown()
  }

  @Test func nothingMoreIsAskedThanIsPulled() async throws {
    let sent = Counter()
    let server = try answering { connection in
      connection.send(Fixture.archiveHead("Content-Length: 1000000000"))
      connection.send(Fixture.archive(64))
      let chunk = [UInt8](repeating: 7, count: 1 << 20)
      while connection.send(chunk) { sent.add(chunk.count) }
    }
    let bench = try Bench(port: server.port)
    let stream = try await bench.download().get()
    try await Task.sleep(for: .milliseconds(500))
    // What fits into the kernel's buffers of both sides, and a little into ours; without back-pressure it would be all.
    #expect(sent.value < 64 << 20)
    stream.cancel()
    await bench.shutdown()
  }
}
