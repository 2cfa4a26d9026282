import Foundation
import Glibc
import Synchronization
import Tasks
import TestSupport
import Testing

@testable import ResultCache

@Suite struct RangeLockTests {
  @Test func whoComesSecondGetsTheRest() throws {
    let directory = try TemporaryDirectory("locks")
    let one = try Descriptor.open(directory.file("f"), O_RDWR | O_CREAT)
    var two: Descriptor? = try Descriptor.open(directory.file("f"), O_RDWR)
    let other = try #require(two)
    #expect(try RangeLocks.take(10..<20, of: one) == [10..<20])
    #expect(try RangeLocks.take(15..<18, of: one) == [15..<18], "its own locks are not in the way")
    #expect(try RangeLocks.take(30..<40, of: one) == [30..<40])
    #expect(try RangeLocks.held(in: 0..<100, of: other) == [10..<20, 30..<40])
    #expect(try RangeLocks.take(5..<35, of: other) == [5..<10, 20..<30])
    #expect(try RangeLocks.held(in: 0..<100, of: one) == [5..<10, 20..<30])
    RangeLocks.release(12..<14, of: one)
    #expect(try RangeLocks.take(0..<100, of: other) == [0..<10, 12..<14, 20..<30, 40..<100])
    two = nil
  }

  /// Another process, and its end.
  @Test func theKernelReleasesTheLocksOfTheDead() throws {
    let directory = try TemporaryDirectory("locks")
    let path = directory.file("f")
    let file = try Descriptor.open(path, O_RDWR | O_CREAT)
    let script = """
      import fcntl, struct, sys
      f = open(sys.argv[1], 'r+b')
      fcntl.fcntl(f, 37, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 3, 4, 0))
      print('locked', flush=True)
      sys.stdin.read()
      """
    let child = Process()
    child.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    child.arguments = ["python3", "-c", script, path]
    let (input, output) = (Pipe(), Pipe())
    child.standardInput = input
    child.standardOutput = output
    try child.run()
    let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    guard line.hasPrefix("locked") else {
      print("skipped: no python3")
      return
    }
    #expect(try RangeLocks.held(in: 0..<10, of: file) == [3..<7])
    #expect(try RangeLocks.take(0..<10, of: file) == [0..<3, 7..<10])
    kill(child.processIdentifier, SIGKILL)
    child.waitUntilExit()
    #expect(try RangeLocks.take(0..<10, of: file) == [0..<10])
  }
}

@Suite struct SparseSharingTests {
  let fixture: CacheFixture
  let file = SampleFile("f", size: block * 40 + 3, seed: 4)

  init() throws { fixture = try CacheFixture() }

  @Test func whatOneFetchesTheOtherWaitsFor() async throws {
    let id = try task("both", source: "pixxel")
    let (one, two) = (try await fixture.open(), try await fixture.open())
    try await one.list(id, [file])
    let first = try await one.sparse("f", of: id)
    let second = try await two.sparse("f", of: id)
    let claim = try #require(try await first.claim(range(0..<10, of: file)).first)
    let rest = try await second.claim(range(5..<15, of: file))
    #expect(rest.map(\.range) == [range(10..<15, of: file)])
    let waiting = Task { try await second.wait(for: range(5..<10, of: file)) }
    let impatient = Task { try await second.wait(for: range(5..<10, of: file)) }
    impatient.cancel()
    let failure = await #expect(throws: CacheFailure.self) { try await impatient.value }
    #expect(failure?.kind == .cancelled)
    try await onThread { try claim.bring(file) }
    #expect(try await waiting.value == .arrived)
    #expect(try second.bytes(range(5..<10, of: file)) == Array(file.bytes[5 * block..<10 * block]))
    #expect(try await second.claim(range(0..<5, of: file)).isEmpty, "it is here by now")
    #expect(try await second.wait(for: range(0..<5, of: file)) == .arrived)
  }

  @Test func whatOneGivesUpTheOtherClaims() async throws {
    let id = try task("given up", source: "pixxel")
    let (one, two) = (try await fixture.open(), try await fixture.open())
    try await one.list(id, [file])
    let second = try await two.sparse("f", of: id)
    do {
      let first = try await one.sparse("f", of: id)
      let claim = try #require(try await first.claim(range(0..<10, of: file)).first)
      #expect(try await second.claim(range(0..<10, of: file)).isEmpty)
      let waiting = Task { try await second.wait(for: range(0..<10, of: file)) }
      try claim.append(file.bytes[..<(block * 4)])
      claim.finish()
      #expect(try await waiting.value == .missing)
    }
    #expect(try await second.fetch(range(0..<10, of: file), from: file) == 6 * block)
    #expect(try second.bytes(range(0..<10, of: file)) == Array(file.bytes[..<(10 * block)]))
  }

  @Test(.timeLimit(.minutes(5)), arguments: 0..<3)
  func nobodyFetchesABlockTwice(round: Int) async throws {
    let seed = UInt64.random(in: .min ... .max)
    print("SparseSharingTests seed \(seed)")
    let id = try task("race", source: "pixxel")
    let caches = [try await fixture.open(), try await fixture.open(), try await fixture.open()]
    try await caches[0].list(id, [file])
    let brought = Tally()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for reader in 0..<9 {
        group.addTask {
          var generator = SeededGenerator(seed: seed &+ UInt64(reader))
          let object = try await caches[reader % 3].sparse("f", of: id)
          for _ in 0..<6 {
            let start = Int.random(in: 0..<40, using: &generator)
            let wanted = range(start..<min(41, start + .random(in: 1...12, using: &generator)), of: file)
            brought.add(
              try await object.fetch(wanted, from: file, step: .random(in: 1_000...50_000, using: &generator)))
            #expect(
              try object.bytes(wanted) == Array(file.bytes[Int(wanted.lowerBound)..<Int(wanted.upperBound)]),
              "seed \(seed)")
          }
        }
      }
      try await group.waitForAll()
    }
    for cache in caches { await cache.settle() }
    let usage = try fixture.usage()
    #expect(usage.real == Int64(brought.sum), "seed \(seed)")
    #expect(usage.counted == usage.real, "seed \(seed)")
  }

  @Test func whoCompletesItCompletesItForAll() async throws {
    let id = try task("complete", source: "pixxel")
    let (one, two) = (try await fixture.open(), try await fixture.open())
    try await one.list(id, [file])
    let first = try await one.sparse("f", of: id)
    let second = try await two.sparse("f", of: id)
    try await first.fetch(range(0..<20, of: file), from: file)
    try await second.fetch(range(20..<41, of: file), from: file)
    #expect(try await first.fetch(first.whole, from: file) == 0)
    #expect(try await second.fetch(second.whole, from: file) == 0)
    async let other: Void = second.complete(contentChecksum: sampleChecksum)
    try await first.complete(contentChecksum: sampleChecksum)
    try await other
    for cache in [one, two, try await fixture.open()] { #expect(try await cache.read("f", of: id) == file.bytes) }
    for cache in [one, two] { await cache.settle() }
    #expect(fixture.objectPaths.count == 1)
    let usage = try fixture.usage()
    #expect(usage.counted == usage.real)
  }
}
