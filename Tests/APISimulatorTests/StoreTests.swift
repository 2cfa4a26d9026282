import Foundation
import TestSupport
import Testing

@testable import APISimulator

/// Runs a test with a package behind `w/j/t` and an address for it.
func withPackage(
  _ package: SimulatedPackage, configure: (inout APISimulator.Configuration) -> Void = { _ in },
  _ body: (APISimulator, _ url: String) async throws -> Void
) async throws {
  let task = SimulatedPixxelTask(id: "t", package: package)
  let workflow = SimulatedWorkflow(id: "w", jobs: [SimulatedJob(id: "j", tasks: [task])])
  try await withSimulator(workflows: [workflow], configure: configure) { simulator in
    try await body(simulator, try #require(simulator.signedURL(for: "w/j/t")))
  }
}

/// The object store as a client meets it, through curl.
@Suite struct StoreTests {
  private static let bytes = GeneratedContent(seed: 5, size: 300_000).bytes(at: 0, count: 300_000)
  private static let package = SimulatedPackage.bytes(bytes)

  @Test func everythingAtOnce() async throws {
    let package = Self.package.with { $0.disposition = "attachment; filename=\"März.zip\"" }
    try await withPackage(package) { simulator, url in
      let answer = try await Curl.keyless.get(url)
      #expect(answer.status == 200)
      #expect(difference(answer.body, Self.bytes) == nil)
      #expect(answer.headers["content-length"] == "300000")
      #expect(answer.headers["accept-ranges"] == "bytes")
      #expect(answer.headers["content-type"] == "binary/octet-stream")
      #expect(answer.headers["content-disposition"] == "attachment; filename=\"März.zip\"")
      #expect(answer.headers["etag"]?.hasPrefix("\"") == true)
      #expect(answer.headers["last-modified"] == "Fri, 13 Mar 2026 09:30:01 GMT")
      let tally = simulator.counters().task("w/j/t")
      #expect(tally.get == 1)
      #expect(tally.bytesSent == 300_000)
      let record = try #require(simulator.requests().last)
      #expect(record.authorization == nil)
      #expect(record.host == "127.0.0.1:\(simulator.storePort)")
      #expect(record.completed == true)
      #expect(simulator.storePort != simulator.port)
    }
  }

  @Test(
    arguments: [
      ("0-0", 0..<1), ("0-99", 0..<100), ("1000-1999", 1_000..<2_000), ("299999-", 299_999..<300_000),
      ("299990-400000", 299_990..<300_000), ("-1", 299_999..<300_000), ("-65536", 234_464..<300_000),
      ("-999999", 0..<300_000),
    ])
  func ranges(range: String, expected: Range<Int>) async throws {
    try await withPackage(Self.package) { simulator, url in
      let answer = try await Curl.range(range).get(url)
      #expect(answer.status == 206)
      #expect(answer.headers["content-range"] == "bytes \(expected.lowerBound)-\(expected.upperBound - 1)/300000")
      #expect(answer.headers["content-length"] == String(expected.count))
      #expect(difference(answer.body, Array(Self.bytes[expected])) == nil)
      let runs = simulator.counters().package("w/j/t").runs
      #expect(runs.map { Int($0.offset)..<Int($0.offset + $0.count) } == [expected])
      #expect(simulator.requests().last?.range == "bytes=\(range)")
    }
  }

  @Test(arguments: ["300000-", "300000-400000", "-0"]) func rangesOutside(range: String) async throws {
    try await withPackage(Self.package) { simulator, url in
      let answer = try await Curl.range(range).get(url)
      #expect(answer.status == 416)
      #expect(answer.headers["content-range"] == "bytes */300000")
      #expect(answer.text.contains("<Code>InvalidRange</Code>"))
      #expect(simulator.counters().package("w/j/t").runs.isEmpty)
    }
  }

  @Test(arguments: ["0-1,5-6", "5-4", "x-", "-"]) func rangesThatMeanNothingAreIgnored(range: String) async throws {
    try await withPackage(Self.package) { _, url in
      let answer = try await Curl.range(range).get(url)
      #expect(answer.status == 200)
      #expect(answer.body.count == 300_000)
    }
  }

  @Test func preconditions() async throws {
    try await withPackage(Self.package) { simulator, url in
      let first = try await Curl.range("0-0").get(url)
      let etag = try #require(first.headers["etag"])
      func expect(_ status: Int, _ header: String) async throws {
        let answer = try await Curl(key: nil, headers: [header, "Range: bytes=0-9"]).get(url)
        #expect(answer.status == status, "\(header)")
      }
      try await expect(206, "If-Match: \(etag)")
      try await expect(412, "If-Match: \"x\"")
      try await expect(206, "If-Range: \(etag)")
      try await expect(200, "If-Range: \"x\"")
      try await expect(206, "If-Unmodified-Since: Fri, 13 Mar 2026 09:30:01 GMT")
      simulator.switchVersion(of: "w/j/t")
      try await expect(412, "If-Match: \(etag)")
      try await expect(200, "If-Range: \(etag)")
      try await expect(412, "If-Unmodified-Since: Fri, 13 Mar 2026 09:30:01 GMT")
    }
  }

  @Test func signatures() async throws {
    try await withPackage(Self.package) { simulator, url in
      let bare = try await Curl.keyless.get(String(url.prefix { $0 != "?" }))
      #expect(bare.status == 403)
      #expect(bare.headers["content-type"] == "application/xml")
      #expect(bare.text.contains("<Code>AccessDenied</Code>"))
      for wrong in [url + "0", url.replacingOccurrences(of: "package.bin", with: "other.bin")] {
        let answer = try await Curl.keyless.get(wrong)
        #expect(answer.status == 403)
        #expect(answer.text.contains("<Code>SignatureDoesNotMatch</Code>"))
      }
      // The method is part of what was signed.
      let head = try await Curl.keyless.send("HEAD", url)
      #expect(head.status == 403)
      #expect(head.body.isEmpty)
      let put = try await Curl.keyless.send("PUT", url, body: "x")
      #expect(put.status == 405)
      let delete = try await Curl.keyless.send("DELETE", url)
      #expect(delete.status == 405)
      let total = simulator.counters().total
      #expect((total.get, total.head, total.delete, total.other) == (3, 1, 1, 1))
      #expect(simulator.counters().package("w/j/t").bytesSent == 0)
    }
    try await withPackage(Self.package, configure: { $0.store.answersHead = true }) { _, url in
      let head = try await Curl.keyless.send("HEAD", url)
      #expect(head.status == 200)
      #expect(head.headers["content-length"] == "300000")
      #expect(head.body.isEmpty)
    }
  }

  @Test func addressesExpire() async throws {
    try await withPackage(Self.package, configure: { $0.store.urlLifetime = 1 }) { simulator, url in
      let early = try await Curl.keyless.get(url)
      #expect(early.status == 200)
      #expect(url.contains("X-Amz-Expires=1&"))
      try await Task.sleep(for: .seconds(1))
      let late = try await Curl.keyless.get(url)
      #expect(late.status == 403)
      #expect(late.text.contains("<Code>AccessDenied</Code><Message>Request has expired</Message>"))
      #expect(late.text.contains("<X-Amz-Expires>1</X-Amz-Expires>"))
      let renewed = try await simulator.askForURL("w/j/t")
      let again = try await Curl.keyless.get(renewed)
      #expect(again.status == 200)
    }
    try await withPackage(Self.package) { simulator, url in
      simulator.expireURLs(of: "w/j/other")
      let good = try await Curl.keyless.get(url)
      simulator.expireURLs(of: "w/j/t")
      let bad = try await Curl.keyless.get(url)
      #expect((good.status, bad.status) == (200, 403))
    }
  }

  @Test func anotherVersion() async throws {
    let other = Array(repeating: UInt8(7), count: 1_000)
    let package = Self.package.with { $0.nextVersions = [.bytes(other)] }
    try await withPackage(package) { simulator, url in
      let first = try await Curl.keyless.get(url)
      simulator.switchVersion(of: "w/j/t")
      let second = try await Curl.keyless.get(url)
      #expect(second.body == other)
      simulator.switchVersion(of: "w/j/t")
      let third = try await Curl.keyless.get(url)
      #expect(difference(third.body, Self.bytes) == nil)
      let tags = [first, second, third].map { $0.headers["etag"] ?? "" }
      #expect(Set(tags).count == 3)
      #expect(Set([first, second, third].map { $0.headers["last-modified"] }).count == 3)
      #expect(simulator.counters().package("w/j/t").runs.map(\.version) == [1, 2, 3])
      simulator.setPackage("w/j/t", .bytes([1, 2, 3]))
      let fourth = try await Curl.keyless.get(url)
      #expect(fourth.body == [1, 2, 3])
      // The same again is no other version.
      simulator.setPackage("w/j/t", .bytes([1, 2, 3]))
      let fifth = try await Curl.keyless.get(url)
      #expect(fifth.headers["etag"] == fourth.headers["etag"])
    }
  }

  @Test func aZipIsServedFromAFile() async throws {
    let files = [
      SimulatedFile(path: "band.bin", bytes: Self.bytes, method: .stored),
      SimulatedFile(path: "table.csv", text: "a,b\n"),
    ]
    let prefix = Array("#!/bin/sh\n".utf8)
    try await withPackage(.zip(files, prefix: prefix, name: "scene 1.zip")) { simulator, url in
      #expect(url.contains("/packages/w/j/t/scene%201.zip?"))
      let expected = prefix + ZipStream.bytes(files, style: .seekable)
      let size = await simulator.packageSize(of: "w/j/t")
      #expect(size == Int64(expected.count))
      let answer = try await Curl.keyless.get(url)
      #expect(difference(answer.body, expected) == nil)
    }
  }

  @Test func aTarThatTarReads() async throws {
    let long = "folder/" + String(repeating: "长", count: 60) + ".txt"
    let files = [
      SimulatedFile(path: "folder/", bytes: []), SimulatedFile(path: long, text: "deep"),
      SimulatedFile(path: "noise.bin", bytes: Self.bytes), SimulatedFile(path: "empty", bytes: []),
    ]
    try await withPackage(.tar(files)) { _, url in
      let directory = try TemporaryDirectory("tar")
      let answer = try await Curl.keyless.get(url)
      try Data(answer.body).write(to: URL(fileURLWithPath: directory.file("a.tar")))
      for program in ["tar", "bsdtar"] {
        let out = try await ChildProcess.shell(
          "mkdir \(program) && \(program) -xf a.tar -C \(program) && cd \(program) && find . -type f | wc -l && cat */*.txt",
          environment: ["LC_ALL": "C.UTF-8"], directory: directory.path)
        #expect(out.status == 0, "\(out.errors)")
        #expect(out.output.split(whereSeparator: \.isWhitespace) == ["3", "deep"])
        let noise = FileManager.default.contents(atPath: directory.file("\(program)/noise.bin")).map { [UInt8]($0) }
        #expect(difference(noise ?? [], Self.bytes) == nil)
      }
    }
  }

  @Test func aFileOfThisMachine() async throws {
    let directory = try TemporaryDirectory("store")
    try Data(Self.bytes).write(to: URL(fileURLWithPath: directory.file("a.7z")))
    try await withPackage(.file(directory.file("a.7z"))) { _, url in
      #expect(url.contains("/a.7z?"))
      let answer = try await Curl.range("-100").get(url)
      #expect(difference(answer.body, Array(Self.bytes.suffix(100))) == nil)
    }
  }

  @Test func bytesSentTwice() async throws {
    try await withPackage(Self.package) { simulator, url in
      for range in ["0-99", "50-149", "200-299", "0-9"] { _ = try await Curl.range(range).get(url) }
      let tally = simulator.counters().package("w/j/t")
      #expect(tally.bytesSent == 310)
      #expect(tally.bytesSentTwice == 60)
      simulator.switchVersion(of: "w/j/t")
      _ = try await Curl.range("0-99").get(url)
      #expect(simulator.counters().package("w/j/t").bytesSentTwice == 60)
    }
  }

  @Test func manyRequestsOnOneConnection() async throws {
    try await withPackage(Self.package) { simulator, url in
      let urls = Array(repeating: url, count: 4)
      let options = urls.dropFirst().flatMap { ["-o", "/dev/null", $0] } + ["-w", "%{num_connects}\n"]
      var curl = Curl.keyless
      curl.options = Array(options)
      _ = try await curl.get(url)
      #expect(simulator.counters().task("w/j/t").get == 4)
      #expect(simulator.counters().package("w/j/t").bytesSent == 1_200_000)
    }
  }

  @Test func bytesArePriced() async throws {
    try await withPackage(
      Self.package,
      configure: {
        $0.store.pricing = Pricing(microDollarsPerGB: 1_000_000)
        $0.balance = 10_000
      }
    ) { simulator, url in
      // 100 bytes are a tenth of a micro-dollar.
      for _ in 0..<3 { _ = try await Curl.range("0-99").get(url) }
      #expect(simulator.counters().task("w/j/t").billedMicroDollars == 3)
      _ = try await Curl.keyless.get(url)
      #expect(simulator.counters().total.billedMicroDollars == 303)
      #expect(simulator.balance == 9_697)
      #expect(simulator.requests().map(\.billedMicroDollars) == [1, 1, 1, 300])
    }
  }

  @Test func stopsAndStartsAgainAtTheSameAddress() async throws {
    try await withPackage(Self.package) { simulator, url in
      await simulator.stop()
      let refused = try await Curl.keyless.get(url)
      #expect(refused.exit == 7)
      try await simulator.start()
      let answer = try await Curl.keyless.get(url)
      #expect(difference(answer.body, Self.bytes) == nil)
    }
  }
}
