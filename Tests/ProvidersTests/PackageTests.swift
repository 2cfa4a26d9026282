import Foundation
import Tasks
import Testing

@testable import Providers

/// Ranges of a package from a store on loopback.
@Suite struct PackageTests {
  static let content = Fixture.archive(300_000)

  private func answer(
    _ package: any TaskPackage, _ range: PackageRange, _ version: PackageVersion? = nil
  ) async -> Result<(PackageAnswer, [UInt8], SourceFailure?), SourceFailure> {
    do throws(SourceFailure) {
      let answer = try await package.bytes(range, of: version)
      let (bytes, failure) = await drain(answer.stream)
      return .success((answer, bytes, failure))
    } catch {
      return .failure(error)
    }
  }

  @Test func rangesComeFromTheirPlaces() async throws {
    let store = try ObjectStore(Self.content) { $0.disposition = "attachment; filename=\"scene 7.zip\"" }
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    let version = PackageVersion(size: ByteCount(300_000), validator: "\"v1\"")
    let cases: [(PackageRange, Range<Int>, String)] = [
      (.last(1000), 299_000..<300_000, "bytes=-1000"), (.last(1_000_000), 0..<300_000, "bytes=-1000000"),
      (.bytes(0..<1), 0..<1, "bytes=0-0"), (.bytes(100_000..<200_000), 100_000..<200_000, "bytes=100000-199999"),
      (.bytes(299_999..<400_000), 299_999..<300_000, "bytes=299999-399999"), (.whole, 0..<300_000, "all"),
    ]
    for (range, place, header) in cases {
      let (answer, bytes, failure) = try await answer(package, range).get()
      #expect(failure == nil && bytes == Array(Self.content[place]))
      #expect(answer.version == version && answer.offset == UInt64(place.lowerBound))
      #expect(answer.isWhole == (range == .whole) && answer.name == "scene 7.zip")
      #expect(answer.stream.expectedLength == ByteCount(place.count))
      #expect(store.ranges.last == header)
    }
    // Of a known version the place of the end is known, too.
    #expect(try await answer(package, .last(10), version).get().1 == Array(Self.content.suffix(10)))
    #expect(store.ranges.last == "bytes=299990-299999")
    #expect(store.puts == 1)
    #expect(store.server.connectionsAccepted == 2, "one for the API, one for the store")
    await bench.shutdown()
  }

  @Test func theStoreSeesNoKeyAndNoHEADAndTheLogNoSignature() async throws {
    let store = try ObjectStore(Self.content) {
      $0.accepted = { $0 > 1 }
      $0.resetAfter = 100_000
    }
    let bench = try PixxelBench(port: store.server.port, authorization: .bearer)
    let package = try await bench.package().get()
    let answered = try await answer(package, .bytes(0..<300_000)).get()
    #expect(answered.1 == Self.content && answered.2 == nil)
    store.change { $0.accepted = { _ in false } }
    let failure = try #require(await answer(package, .last(10)).failure)
    #expect(failure.kind == .accessDenied)
    for request in store.gets {
      #expect(request.headers["authorization"] == nil)
      #expect(!request.headers.values.contains { $0.contains(secretText) } && !request.target.contains(secretText))
    }
    #expect(Set(store.server.requests.map(\.method)) == ["GET", "PUT"])
    var texts = bench.logs.lines.map(\.line) + [failure.reason, "\(package)", String(reflecting: package)]
    var dumped = ""
    dump(package, to: &dumped, maxDepth: 12)
    texts.append(dumped)
    for text in texts { #expect(!text.contains(signature) && !text.contains("never-print"), "\(text)") }
    #expect(bench.logs.lines.count > 5 && bench.logs.lines.allSatisfy { $0.level <= .debug })
    await bench.shutdown()
  }

  @Test func anAddressIsSentByteForByte() async throws {
    let query = "&X=a%2Fb+c%20d*~!'(),;:@$=%c3%BC&&empty=&=x&%25"
    let store = try ObjectStore(Self.content) { $0.query = { _ in query } }
    let bench = try PixxelBench(port: store.server.port)
    _ = try await answer(try await bench.package().get(), .last(1)).get()
    #expect(store.gets.first?.target == "/bucket/results%20of%20t.zip?sig=\(signature)&n=1\(query)")
    await bench.shutdown()
  }

  // MARK: Stores that know less

  @Test(arguments: [200, 416, 501, 400]) func withoutSuffixRangesTheTotalIsLearned(status: Int) async throws {
    let store = try ObjectStore(Self.content) { $0.suffixStatus = status }
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    for _ in 0..<2 {
      let (answer, bytes, _) = try await answer(package, .last(1000)).get()
      #expect(bytes == Array(Self.content.suffix(1000)) && answer.offset == 299_000 && !answer.isWhole)
    }
    // What was learned is remembered; a 200 tells the total by itself.
    let probed = ["bytes=0-65535", "bytes=299000-299999"]
    #expect(store.ranges == ["bytes=-1000"] + (status == 200 ? [probed[1]] : probed) + probed)
    #expect(store.puts == 1)
    await bench.shutdown()
  }

  @Test func theProbeOfASmallPackageIsItsEnd() async throws {
    let store = try ObjectStore(Array(Self.content.prefix(5000))) { $0.suffixStatus = 501 }
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    let (answer, bytes, _) = try await answer(package, .last(100_000)).get()
    #expect(bytes.count == 5000 && answer.offset == 0 && !answer.isWhole)
    #expect(store.ranges == ["bytes=-100000", "bytes=0-65535"])
    await bench.shutdown()
  }

  @Test(arguments: [PackageRange.last(1000), .bytes(1000..<2000), .whole])
  func aStoreWithoutRangesGivesTheWhole(range: PackageRange) async throws {
    let store = try ObjectStore(Self.content) { $0.honoursRanges = false }
    let bench = try PixxelBench(port: store.server.port)
    let (answer, bytes, failure) = try await answer(try await bench.package().get(), range).get()
    #expect(answer.isWhole && answer.offset == 0 && bytes == Self.content && failure == nil)
    #expect(answer.version?.size == ByteCount(300_000) && answer.name == "results of t.zip")
    await bench.shutdown()
  }

  @Test func aWholeOfUnknownLengthHasNoVersion() async throws {
    let store = try ObjectStore(Self.content) {
      $0.honoursRanges = false
      $0.isChunked = true
    }
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    for range in [PackageRange.whole, .last(10), .bytes(5..<10)] {
      let (answer, bytes, failure) = try await answer(package, range).get()
      #expect(answer.isWhole && answer.version == nil && answer.stream.expectedLength == nil)
      #expect(bytes == Self.content && failure == nil)
    }
    await bench.shutdown()
  }

  @Test func anEmptyPackageIsEmpty() async throws {
    let store = try ObjectStore([])
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    for range in [PackageRange.last(1000), .bytes(0..<1000), .whole] {
      let (answer, bytes, failure) = try await answer(package, range).get()
      #expect(bytes.isEmpty && failure == nil && answer.version?.size == .zero && answer.offset == 0)
    }
    await bench.shutdown()
  }

  // MARK: Answers that are wrong

  @Test(
    arguments: [
      nil, "bytes 0-9/300000", "bytes 1000-2000/300000", "bytes 1000-1998/300000", "bytes 1000-1999/*",
      "bytes */300000",
      "bytes 1000-1999", "chunks 1000-1999/300000", "bytes 1000-1999/1999",
    ] as [String?]) func aWrongContentRangeIsTriedOnceMore(wrong: String?) async throws
  {
    let store = try ObjectStore(Self.content) { $0.contentRange = { _ in wrong } }
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    #expect(await answer(package, .bytes(1000..<2000)).failure?.kind == .badAnswer)
    #expect(store.gets.count == 2)
    store.change {
      $0.beforeAnswer = { number, behaviour in if number == 4 { behaviour.contentRange = nil } }
    }
    #expect(try await answer(package, .bytes(1000..<2000)).get().1 == Array(Self.content[1000..<2000]))
    #expect(store.gets.count == 4)
    await bench.shutdown()
  }

  @Test func aBodyOfAnotherLengthIsRefused() async throws {
    for (field, count) in [
      ("Content-Length: 11", 11), ("Content-Type: multipart/byteranges; boundary=x\r\nContent-Length: 10", 10),
    ] {
      let store = try ScriptedServer { connection in
        while let request = connection.readRequest() {
          if request.method == "PUT" {
            connection.send(Fixture.ready(request))
          } else {
            connection.send("HTTP/1.1 206 OK\r\nContent-Range: bytes 0-9/100\r\n\(field)\r\n\r\n")
            connection.send([UInt8](repeating: 7, count: count))
          }
        }
      }
      let bench = try PixxelBench(port: store.port)
      let failure = await answer(try await bench.package().get(), .bytes(0..<10)).failure
      #expect(failure?.kind == .badAnswer)
      await bench.shutdown()
    }
  }

  @Test func aChunkedPartThatIsTooLongIsRefused() async throws {
    let store = try ObjectStore(Self.content) {
      $0.isChunked = true
      // Asked for 100, announced as such, sent 200.
      $0.beforeAnswer = { _, behaviour in behaviour.contentRange = { _ in "bytes 0-99/300000" } }
    }
    let bench = try PixxelBench(port: store.server.port)
    let package = try await bench.package().get()
    let whole = try await answer(package, .bytes(0..<100)).get()
    #expect(whole.1.count == 100 && whole.2 == nil)
    await bench.shutdown()
    let long = try ScriptedServer { connection in
      while let request = connection.readRequest() {
        connection.send(
          request.method == "PUT"
            ? Fixture.ready(request)
            : "HTTP/1.1 206 OK\r\nContent-Range: bytes 0-4/100\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n"
        )
      }
    }
    let other = try PixxelBench(port: long.port)
    let answered = try await answer(try await other.package().get(), .bytes(0..<5)).get()
    #expect(answered.2?.kind == .badAnswer && answered.1.count <= 5)
    await other.shutdown()
  }

  // MARK: Failures that pass, and that do not

  @Test func whatPassesIsOutlived() async throws {
    let server = try ScriptedServer { connection in
      while let request = connection.readRequest() {
        if request.method == "PUT" {
          connection.send(Fixture.ready(request))
          continue
        }
        switch connection.requestCount() {
        case 2: connection.send(Fixture.reply(503, "<SlowDown/>"))
        case 3: connection.send(Fixture.reply(429, "", headers: ["Retry-After: 5"]))
        case 4: return
        default: connection.send(Fixture.reply(206, "ab", headers: ["Content-Range: bytes 0-1/9"]))
        }
      }
    }
    let bench = try PixxelBench(port: server.port)
    let (_, bytes, failure) = try await answer(try await bench.package().get(), .bytes(0..<2)).get()
    #expect(bytes == Array("ab".utf8) && failure == nil)
    #expect(bench.clock.sleeps.count == 3 && bench.clock.sleeps.contains { $0 >= .seconds(5) })
    await bench.shutdown()
  }

  @Test(arguments: [(503, SourceFailure.Kind.badAnswer), (429, .rateLimited), (501, .badAnswer)])
  func whatStaysIsNamed(status: Int, kind: SourceFailure.Kind) async throws {
    let store = try ObjectStore(Self.content) {
      $0.accepted = { _ in false }
      $0.refusal = status
    }
    let bench = try PixxelBench(port: store.server.port, retries: 2)
    let failure = await answer(try await bench.package().get(), .bytes(0..<10)).failure
    #expect(failure?.kind == kind && failure?.reason.contains("HTTP \(status)") == true)
    #expect(store.gets.count == (status == 501 ? 1 : 3) && store.puts == 1)
    await bench.shutdown()
  }

  // MARK: Redirects

  @Test func redirectsAreFollowedWithoutAKey() async throws {
    let store = try ObjectStore(Self.content)
    let target = "http://127.0.0.1:\(store.server.port)/other/end.tif?sig=\(signature)&n=1"
    let front = try ScriptedServer { request, _ in
      request.method == "PUT"
        ? Fixture.ready(request)
        : Fixture.reply(307, "", headers: ["Location: \(target)"])
    }
    let bench = try PixxelBench(port: front.port)
    let (answer, bytes, _) = try await answer(try await bench.package().get(), .bytes(5..<10)).get()
    #expect(bytes == Array(Self.content[5..<10]) && answer.name == "end.tif")
    #expect(store.ranges == ["bytes=5-9"] && store.gets.allSatisfy { $0.headers["authorization"] == nil })
    #expect(front.requests.filter { $0.method == "GET" }.allSatisfy { $0.headers["authorization"] == nil })
    await bench.shutdown()
  }

  @Test(arguments: ["http://example.invalid/a", "ftp://127.0.0.1/a", ""]) func someRedirectsAreNot(location: String)
    async throws
  {
    let front = try ScriptedServer { request, _ in
      request.method == "PUT"
        ? Fixture.ready(request)
        : Fixture.reply(302, "", headers: location.isEmpty ? [] : ["Location: \(location)?\(signature)"])
    }
    let bench = try PixxelBench(port: front.port)
    let failure = try #require(await answer(try await bench.package().get(), .last(5)).failure)
    #expect(failure.kind == .badAnswer && !failure.reason.contains(signature))
    #expect(front.requests.count == 2)
    await bench.shutdown()
  }

  @Test func aCircleEnds() async throws {
    let front = try ScriptedServer { request, _ in
      request.method == "PUT"
        ? Fixture.ready(request)
        : Fixture.reply(302, "", headers: ["Location: /a"])
    }
    let bench = try PixxelBench(port: front.port)
    #expect(await answer(try await bench.package().get(), .last(5)).failure?.kind == .badAnswer)
    #expect(front.requests.count == 2 + RedirectRule.limit)
    await bench.shutdown()
  }
}
