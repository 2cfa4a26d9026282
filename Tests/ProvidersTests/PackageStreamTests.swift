import Tasks
import Testing

@testable import Providers

/// Streams that break, and mend themselves.
@Suite struct PackageStreamTests {
  private static let content = Fixture.archive(3_000_000)

  private func read(
    _ store: ObjectStore, _ range: PackageRange = .bytes(0..<3_000_000), retries: Int = 4, read: Duration = .seconds(30)
  ) async throws -> (bytes: [UInt8], failure: SourceFailure?, logs: LogCollector) {
    let bench = try PixxelBench(port: store.server.port, retries: retries, read: read)
    let package = try await bench.package().get()
    let (bytes, failure) = await drain(try await package.bytes(range, of: nil).stream)
    await bench.shutdown()
    return (bytes, failure, bench.logs)
  }

  @Test func aResetEvery64KBIsNoObstacle() async throws {
    let store = try ObjectStore(Self.content) { $0.resetAfter = 64 << 10 }
    let (bytes, failure, _) = try await read(store, .bytes(1000..<2_999_000))
    #expect(failure == nil)
    #expect(bytes == Array(Self.content[1000..<2_999_000]))
    // Each went on where the one before had come to: at least the bytes before the reset, unless it overtook some.
    #expect(store.gets.count >= 46)
    #expect(store.ranges.allSatisfy { $0.hasSuffix("-2998999") })
    #expect(store.puts == 1)
  }

  @Test func aWholeIsContinuedByRanges() async throws {
    let store = try ObjectStore(Self.content) { $0.resetAfter = 1_000_000 }
    let (bytes, failure, _) = try await read(store, .whole)
    #expect(failure == nil && bytes == Self.content)
    #expect(store.ranges.first == "all" && store.gets.count >= 3)
  }

  @Test func aWholeOfUnknownLengthIsContinuedToo() async throws {
    let store = try ObjectStore(Self.content) {
      $0.resetAfter = 1_000_000
      $0.isChunked = true
    }
    let (bytes, failure, _) = try await read(store, .whole)
    #expect(failure == nil && bytes == Self.content)
    #expect(store.ranges[1].hasSuffix("-"))
  }

  @Test func aWholeThatCanNotBeContinuedFails() async throws {
    let store = try ObjectStore(Self.content) {
      $0.resetAfter = 1_000_000
      $0.honoursRanges = false
    }
    let (bytes, failure, _) = try await read(store, .whole)
    #expect(failure?.kind == .unreachable)
    #expect(bytes == Array(Self.content.prefix(bytes.count)) && bytes.count <= 1_000_000)
    #expect(store.gets.count == 2)
  }

  @Test func anotherVersionEndsTheStream() async throws {
    for change in [
      { $0.etag = "\"v2\"" }, { $0.content.append(0) }, { $0.content.removeLast() }, { $0.etag = nil },
    ] as [@Sendable (inout ObjectStore.Behaviour) -> Void] {
      let store = try ObjectStore(Self.content) {
        $0.resetAfter = 200_000
        $0.beforeAnswer = { number, behaviour in if number == 3 { change(&behaviour) } }
      }
      let (bytes, failure, _) = try await read(store)
      #expect(failure?.kind == .changed)
      #expect(bytes == Array(Self.content.prefix(bytes.count)) && bytes.count <= 400_000)
    }
  }

  @Test func withoutAValidatorAStreamDoesNotCrossAddresses() async throws {
    let store = try ObjectStore(Self.content) {
      $0.etag = nil
      $0.resetAfter = 200_000
    }
    let (bytes, failure, _) = try await read(store)
    #expect(failure == nil && bytes == Self.content, "within one address it goes on")
    let other = try ObjectStore(Self.content) {
      $0.etag = nil
      $0.resetAfter = 200_000
      $0.beforeAnswer = { number, behaviour in if number == 3 { behaviour.accepted = { $0 > 1 } } }
    }
    #expect(try await read(other).failure?.kind == .changed)
  }

  @Test func anAddressThatEndsInMidDownloadIsRenewed() async throws {
    let store = try ObjectStore(Self.content) {
      $0.resetAfter = 500_000
      $0.beforeAnswer = { number, behaviour in if number == 2 { behaviour.accepted = { $0 > 1 } } }
    }
    let (bytes, failure, _) = try await read(store)
    #expect(failure == nil && bytes == Self.content)
    #expect(store.puts == 2)
  }

  @Test func aStallIsABreak() async throws {
    let store = try ObjectStore(Self.content) {
      $0.stallAfter = 1_000_000
      $0.beforeAnswer = { number, behaviour in if number == 3 { behaviour.stallAfter = nil } }
    }
    let (bytes, failure, _) = try await read(store, read: .milliseconds(500))
    #expect(failure == nil && bytes == Self.content)
    #expect(store.ranges.prefix(3) == ["bytes=0-2999999", "bytes=1000000-2999999", "bytes=2000000-2999999"])
  }

  @Test func silenceBeforeTheHeadIsATimeout() async throws {
    let server = try ScriptedServer { connection in
      while let request = connection.readRequest() {
        if request.method == "PUT" { connection.send(Fixture.ready(request)) } else { connection.waitForClose() }
      }
    }
    let bench = try PixxelBench(port: server.port, retries: 1, read: .milliseconds(200))
    let package = try await bench.package().get()
    let failure = await #expect(throws: SourceFailure.self) { try await package.bytes(.last(10), of: nil) }
    #expect(failure?.kind == .timedOut)
    #expect(server.requests.count == 3)
    await bench.shutdown()
  }

  @Test func withoutProgressTheStreamEnds() async throws {
    let store = try ObjectStore(Self.content) {
      $0.resetAfter = 500_000
      $0.beforeAnswer = { number, behaviour in if number == 2 { behaviour.resetAfter = 0 } }
    }
    let (bytes, failure, _) = try await read(store, retries: 2)
    #expect(failure?.kind == .unreachable)
    #expect(bytes == Array(Self.content.prefix(bytes.count)) && !bytes.isEmpty)
    #expect(store.gets.count == 4)
  }

  @Test func aFailureStays() async throws {
    let store = try ObjectStore(Self.content) {
      $0.resetAfter = 500_000
      $0.beforeAnswer = { number, behaviour in if number == 2 { behaviour.etag = "\"v2\"" } }
    }
    let bench = try PixxelBench(port: store.server.port)
    let stream = try await bench.package().get().bytes(.bytes(0..<3_000_000), of: nil).stream
    #expect(await drain(stream).failure?.kind == .changed)
    #expect(await drain(stream).failure?.kind == .changed)
    stream.cancel()
    #expect(store.gets.count == 2)
    await bench.shutdown()
  }

  @Test func theEndStays() async throws {
    let store = try ObjectStore(Self.content)
    let bench = try PixxelBench(port: store.server.port)
    let stream = try await bench.package().get().bytes(.last(5), of: nil).stream
    #expect(await drain(stream).bytes == Array(Self.content.suffix(5)))
    stream.cancel()
    #expect(try await stream.next() == nil)
    await bench.shutdown()
  }

  /// A reader that has what it wants goes without asking for the end.
  @Test(arguments: [false, true]) func theConnectionOutlivesAReaderThatHasAll(isChunked: Bool) async throws {
    let store = try ObjectStore(Self.content) { $0.isChunked = isChunked }
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    for index in 0..<20 {
      let start = UInt64(index * 10_000)
      let stream = try await package.bytes(.bytes(start..<start + 10_000), of: nil).stream
      var count = 0
      while count < 10_000, let bytes = try await stream.next() { count += bytes.count }
      stream.cancel()
    }
    #expect(store.gets.count == 20)
    #expect(store.server.connectionsAccepted <= 4, "one for the API; the rest of them have room for bad luck")
    await bench.shutdown()
  }

  @Test func cancellingClosesTheConnection() async throws {
    let store = try ObjectStore(Self.content) { $0.stallAfter = 100_000 }
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    let stream = try await package.bytes(.bytes(0..<3_000_000), of: nil).stream
    let reader = Task { await drain(stream).failure }
    try await eventually { store.gets.count == 1 }
    reader.cancel()
    #expect(await reader.value?.kind == .cancelled)
    let other = try await package.bytes(.bytes(0..<3_000_000), of: nil).stream
    let second = Task { await drain(other).failure }
    other.cancel()
    #expect(await second.value?.kind == .cancelled)
    // Letting go is enough, too.
    _ = try await package.bytes(.bytes(0..<3_000_000), of: nil).version
    // What stays is the connection for the PUT.
    try await eventually { store.server.openConnections <= 1 }
    await bench.shutdown()
  }

  @Test func cancellingEndsTheMending() async throws {
    let gate = Gate()
    let store = try ObjectStore(Self.content) {
      $0.resetAfter = 100_000
      $0.beforeAnswer = { number, behaviour in if number == 2 { behaviour.accepted = { $0 > 1 } } }
      $0.beforePut = { number in if number == 2 { gate.wait() } }
    }
    let bench = try PixxelBench(port: store.server.port)
    let stream = try await bench.package().get().bytes(.bytes(0..<3_000_000), of: nil).stream
    let reader = Task { await drain(stream) }
    // The rest is asked for, refused, and waits for an address that does not come.
    try await eventually { store.gets.count == 2 }
    stream.cancel()
    let (bytes, failure) = await reader.value
    #expect(failure?.kind == .cancelled && bytes.count <= 100_000)
    gate.open()
    await bench.shutdown()
  }

  @Test func nothingMoreIsAskedThanIsPulled() async throws {
    let sent = Counter()
    let server = try ScriptedServer { connection in
      while let request = connection.readRequest() {
        if request.method == "PUT" {
          connection.send(Fixture.ready(request))
          continue
        }
        connection.send(
          "HTTP/1.1 206 OK\r\nContent-Range: bytes 0-999999999/1000000000\r\nContent-Length: 1000000000\r\n\r\n")
        let chunk = [UInt8](repeating: 7, count: 1 << 20)
        while connection.send(chunk) { sent.add(chunk.count) }
        return
      }
    }
    let bench = try PixxelBench(port: server.port)
    let answer = try await bench.package().get().bytes(.bytes(0..<1_000_000_000), of: nil)
    try await Task.sleep(for: .milliseconds(500))
    // What fits into the kernel's buffers of both sides, and a little into ours.
    #expect(sent.value < 64 << 20)
    answer.stream.cancel()
    await bench.shutdown()
  }
}
