import Foundation
import Tasks
import TestSupport
import Testing

@testable import ResultCache

/// What the simple model knows of a task: what its downloads brought whole, and whether that was all.
private struct Expected {
  var isComplete = false
  /// Names to content that the listing must show.
  var files: [String: [UInt8]] = [:]
  /// Whether content may have been evicted since: what a limit evicts is the cache's choice.
  var mayBeGone = false
}

private enum Ending: CaseIterable {
  case finish, breakOff, crash, abandon
}

/// A random course of operations on one cache, and the model beside it.
private final class Play {
  static let maxSize: Int64 = 60_000

  let seed: UInt64
  var generator: SeededGenerator
  let fixture: CacheFixture
  var cache: ResultCache
  var root: String
  var model: [TaskPath: Expected] = [:]
  var copies = 0
  /// The content of every task, which never changes.
  var archives: [TaskPath: [SampleFile]] = [:]
  let tasks: [TaskPath]

  init(seed: UInt64) async throws {
    self.seed = seed
    generator = SeededGenerator(seed: seed)
    fixture = try CacheFixture()
    root = fixture.root
    cache = try await fixture.open(maxSize: Self.maxSize)
    tasks = try ["screenplay/a", "screenplay/b", "pixxel/w/j/t"].map { try #require(TaskPath(parsing: $0)) }
    for task in tasks {
      archives[task] = (0..<4).map { index in
        SampleFile("f\(index)", size: .random(in: 0...12_000, using: &generator), seed: generator.next())
      }
    }
  }

  private func isPaid(_ task: TaskPath) -> Bool { task.source.text == "screenplay" }

  private func randomTask() -> TaskPath { tasks[Int.random(in: 0..<tasks.count, using: &generator)] }

  func step() async throws {
    fixture.world.goOn()
    switch Int.random(in: 0..<10, using: &generator) {
    case 0: try await evict()
    case 1: cache = try await fixture.open(maxSize: Self.maxSize, at: root)
    default: try await download()
    }
  }

  private func evict() async throws {
    let task = randomTask()
    _ = try await cache.evict(task)
    model[task]?.mayBeGone = true
  }

  /// A download that ends in one of several ways after some of its files.
  private func download() async throws {
    let task = randomTask()
    let files = archives[task] ?? []
    let ending = Ending.allCases.randomElement(using: &generator) ?? .finish
    let count = ending == .finish ? files.count : Int.random(in: 0...files.count, using: &generator)
    let step = Int.random(in: 500...5_000, using: &generator)
    let writer: DownloadWriter
    do throws(CacheFailure) {
      writer = try await cache.beginDownload(of: task, expecting: nil, costs: isPaid(task))
    } catch {
      if error.kind == .noSpace { return }
      throw error
    }
    if ending == .abandon { return writer.abandon() }
    // Anything else may be evicted to make room.
    for other in tasks where other != task { model[other]?.mayBeGone = true }
    let whole = try await add(files.prefix(count), to: writer, step: step)
    if whole < count {
      _ = try writer.breakOff(reason: "full", word: "noSpace")
      return note(task, files.prefix(whole), isComplete: false)
    }
    switch ending {
    case .finish:
      _ = try writer.finish()
      note(task, files[...], isComplete: true)
    case .breakOff:
      if count < files.count {
        try writer.begin(files[count], ordinal: count)
        try writer.append(files[count].bytes.prefix(10))
      }
      _ = try writer.breakOff(reason: "broke", word: "test")
      note(task, files.prefix(count), isComplete: false)
    case .crash, .abandon:
      try await crash()
      // What was free and brought nothing is as if it had not been.
      if count > 0 || isPaid(task) { note(task, files.prefix(count), isComplete: false) }
    }
  }

  /// - Returns: how many files arrived whole before the cache was full.
  private func add(_ files: ArraySlice<SampleFile>, to writer: DownloadWriter, step: Int) async throws -> Int {
    let files = Array(files)
    return try await onThread {
      for (ordinal, file) in files.enumerated() {
        do {
          try writer.add(file, ordinal: ordinal, step: step)
        } catch {
          guard (error as? CacheFailure)?.kind == .noSpace else { throw error }
          return ordinal
        }
      }
      return files.count
    }
  }

  private func note(_ task: TaskPath, _ files: ArraySlice<SampleFile>, isComplete: Bool) {
    var expected = model[task] ?? Expected()
    expected.isComplete = isComplete
    for file in files { expected.files[file.path[0]] = file.bytes }
    model[task] = expected
  }

  /// Goes on with a copy of the directory, as a new process after a kill: nobody holds the copy's locks. Its files are other
  /// inodes, so that all of them are checked by their checksums.
  private func crash() async throws {
    copies += 1
    let copy = fixture.directory.file("copy-\(copies)")
    try FileManager.default.copyItem(atPath: root, toPath: copy)
    root = copy
    cache = try await fixture.open(maxSize: Self.maxSize, at: copy)
  }

  // MARK: - what must hold

  func check() async throws {
    for task in tasks { try await check(task) }
    let usage = cache.usage()
    let onDisk = CacheFixture.objectPaths(in: root).count
    #expect(usage.bytes.bytes <= Self.maxSize, "seed \(seed)")
    #expect(onDisk == usage.objects, "seed \(seed)")
  }

  private func check(_ task: TaskPath) async throws {
    let listing = try await cache.listing(of: task)
    guard let expected = model[task] else {
      #expect(listing == nil, "seed \(seed)")
      return
    }
    let found = try #require(listing, "seed \(seed)")
    let isComplete = found.state == .complete
    #expect(isComplete == expected.isComplete, "seed \(seed)")
    let names: [String] = found.members.map { $0.path[0] }
    let expectedNames: [String] = expected.files.keys.sorted()
    #expect(names == expectedNames, "seed \(seed)")
    for member in found.members {
      let isStored = member.state == .stored
      #expect(isStored || expected.mayBeGone, "seed \(seed)")
      guard isStored else { continue }
      let bytes = try await cache.read(member.path[0], of: task)
      let expectedBytes = expected.files[member.path[0]] ?? []
      #expect(bytes == expectedBytes, "seed \(seed)")
    }
  }
}

@Suite struct ModelTests {
  /// Random operations, held against a simple model; bytes that are served are always right.
  @Test(arguments: 0..<6)
  func randomOperationsMatchTheModel(round: Int) async throws {
    let seed = UInt64.random(in: .min ... .max)
    print("ModelTests seed \(seed)")
    let play = try await Play(seed: seed)
    for _ in 0..<25 {
      try await play.step()
      try await play.check()
    }
  }
}
