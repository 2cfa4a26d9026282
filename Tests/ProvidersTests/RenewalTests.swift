import Foundation
import Synchronization
import Tasks
import Testing

@testable import Providers

/// Signed URLs that end, and that are refused.
@Suite struct RenewalTests {
  private static let content = Fixture.archive(100_000)

  private func bytes(_ package: any TaskPackage, _ range: Range<UInt64>) async throws -> [UInt8] {
    let answer = try await package.bytes(.bytes(range), of: nil)
    let (bytes, failure) = await drain(answer.stream)
    #expect(failure == nil)
    return bytes
  }

  private static func amazon(_ seconds: Int) -> String {
    let now = Date()
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.timeZone = TimeZone(secondsFromGMT: 0)
    formatter.dateFormat = "yyyyMMdd'T'HHmmss'Z'"
    return "&X-Amz-Date=\(formatter.string(from: now))&X-Amz-Expires=\(seconds)"
  }

  @Test func anAddressIsRenewedBeforeItEnds() async throws {
    let store = try ObjectStore(Self.content) { $0.query = { _ in Self.amazon(600) } }
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    _ = try await bytes(package, 0..<10)
    bench.clock.advance(by: .seconds(500))
    _ = try await bytes(package, 0..<10)
    #expect(store.puts == 1)
    bench.clock.advance(by: .seconds(95))
    _ = try await bytes(package, 0..<10)
    #expect(store.puts == 2 && store.gets.last?.target.contains("&n=2") == true)
    #expect(store.gets.count == 3, "no request was refused")
    await bench.shutdown()
  }

  /// The URL may have ended by its own word before anybody used it, and is renewed for the next request all the same.
  @Test func addressesThatLiveForASecondAreRenewedForEachRequest() async throws {
    let store = try ObjectStore(Self.content) { $0.query = { _ in Self.amazon(1) } }
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    for index in 0..<5 {
      bench.clock.advance(by: .seconds(1))
      let start = UInt64(index * 1000)
      #expect(try await bytes(package, start..<start + 1000) == Array(Self.content[Int(start)..<Int(start) + 1000]))
    }
    #expect(store.puts == 6 && store.gets.count == 5)
    await bench.shutdown()
  }

  /// With a store that looks at its own clock: each URL is good for one second from when it was given out.
  @Test func oneSecondIsEnoughInRealTime() async throws {
    let born = Mutex<[Int: ContinuousClock.Instant]>([:])
    let store = try ObjectStore(Self.content) {
      $0.query = { number in
        born.withLock { $0[number] = .now }
        return ""
      }
      $0.accepted = { number in born.withLock { $0[number] }.map { .now - $0 < .seconds(1) } ?? false }
    }
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    for _ in 0..<2 {
      _ = try await bytes(package, 0..<1000)
      try await Task.sleep(for: .milliseconds(1100))
    }
    #expect(store.puts >= 2)
    await bench.shutdown()
  }

  @Test func aRefusedAddressIsRenewedOnceForEverybody() async throws {
    let store = try ObjectStore(Self.content) { $0.accepted = { $0 > 1 } }
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    await withTaskGroup { group in
      for index in 0..<10 {
        group.addTask {
          let start = UInt64(index * 10_000)
          let answer = try? await package.bytes(.bytes(start..<start + 10_000), of: nil)
          guard let answer else {
            Issue.record("no answer")
            return
          }
          let (bytes, failure) = await drain(answer.stream)
          #expect(failure == nil && bytes == Array(Self.content[Int(start)..<Int(start) + 10_000]))
        }
      }
    }
    #expect(store.puts == 2)
    #expect(store.gets.count <= 20)
    await bench.shutdown()
  }

  @Test(arguments: [
    (403, SourceFailure.Kind.accessDenied), (401, .accessDenied), (400, .badAnswer), (404, .badAnswer),
    (410, .badAnswer),
  ])
  func whatIsRefusedTwiceFails(status: Int, kind: SourceFailure.Kind) async throws {
    let store = try ObjectStore(Self.content) {
      $0.accepted = { _ in false }
      $0.refusal = status
    }
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    let failure = await #expect(throws: SourceFailure.self) { try await package.bytes(.bytes(0..<10), of: nil) }
    #expect(failure?.kind == kind)
    #expect(store.puts == 2 && store.gets.count == 2)
    // It is not remembered: the next one may have more luck.
    store.change { $0.accepted = { _ in true } }
    #expect(try await bytes(package, 0..<10).count == 10)
    await bench.shutdown()
  }

  @Test func aRenewalThatFailsIsTheFailure() async throws {
    let server = try ScriptedServer { request, number in
      switch (request.method, number) {
      case ("PUT", 1): Fixture.ready(request)
      case ("GET", _) where request.target.hasPrefix("/a"): Fixture.reply(403, "")
      default: Fixture.reply(401, "{}")
      }
    }
    let bench = try PixxelBench(port: server.port)
    let package = try await bench.package().get()
    let failure = await #expect(throws: SourceFailure.self) { try await package.bytes(.last(10), of: nil) }
    #expect(failure?.kind == .accessDenied)
    await bench.shutdown()
  }

  @Test func whoGoesDoesNotTakeTheRenewalFromTheOthers() async throws {
    let gate = Gate()
    let server = try ScriptedServer { connection in
      while let request = connection.readRequest() {
        if request.method == "PUT" {
          if connection.requestCount() > 1 { gate.wait() }
          connection.send(Fixture.ready(request))
        } else {
          let isLate = gate.isOpened
          connection.send(
            isLate ? Fixture.reply(206, "ab", headers: ["Content-Range: bytes 0-1/9"]) : Fixture.reply(403, ""))
        }
      }
    }
    let bench = try PixxelBench(port: server.port)
    let package = try #require(try await bench.package().get() as? PixxelPackage)
    let callers = (0..<3).map { _ in Task { try await package.bytes(.bytes(0..<2), of: nil) } }
    while await package.opener.address.waiting < 3 { await Task.yield() }
    try await eventually { server.requests.filter { $0.method == "PUT" }.count == 2 }
    callers[0].cancel()
    let failure = await #expect(throws: SourceFailure.self) { try await callers[0].value }
    #expect(failure?.kind == .cancelled)
    gate.open()
    for caller in callers.dropFirst() { #expect(await drain(try await caller.value.stream).bytes == Array("ab".utf8)) }
    #expect(server.requests.filter { $0.method == "PUT" }.count == 2)
    await bench.shutdown()
  }

  // MARK: Versions

  @Test func anotherVersionIsNeverJoined() async throws {
    let store = try ObjectStore(Self.content)
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    let version = try #require(try await package.bytes(.last(10), of: nil).version)
    store.change { $0.etag = "\"v2\"" }
    for range in [PackageRange.bytes(0..<10), .last(10), .whole] {
      let failure = await #expect(throws: SourceFailure.self) { try await package.bytes(range, of: version) }
      #expect(failure?.kind == .changed)
    }
    store.change {
      $0.etag = "\"v1\""
      $0.content.append(0)
    }
    let longer = await #expect(throws: SourceFailure.self) { try await package.bytes(.bytes(0..<10), of: version) }
    #expect(longer?.kind == .changed)
    store.change { $0.content = [] }
    let empty = await #expect(throws: SourceFailure.self) { try await package.bytes(.bytes(0..<10), of: version) }
    #expect(empty?.kind == .changed)
    await bench.shutdown()
  }

  @Test func withoutAValidatorBytesAreJoinedWithinOneAddressOnly() async throws {
    let store = try ObjectStore(Self.content) { $0.etag = "W/\"weak\"" }
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    let version = try #require(try await package.bytes(.last(10), of: nil).version)
    #expect(!version.isValidated && version.size == ByteCount(100_000))
    #expect(try await package.bytes(.bytes(0..<10), of: version).version == version)
    store.change { $0.accepted = { $0 > 1 } }
    let failure = await #expect(throws: SourceFailure.self) { try await package.bytes(.bytes(0..<10), of: version) }
    #expect(failure?.kind == .changed)
    #expect(try await package.bytes(.bytes(0..<10), of: nil).version != version)
    await bench.shutdown()
  }
}
