import Dispatch
import Foundation
import GRDB
import Logging
import Synchronization
import Tasks
import TestSupport
import Testing

@testable import ResultCache

/// A checksum that continues as CRC-32 does, and counts the bytes that it saw.
final class CountingChecksum: Sendable {
  private let counted = Mutex(0)

  var bytes: Int { counted.withLock { $0 } }

  func reset() { counted.withLock { $0 = 0 } }

  var function: Checksum {
    { bytes, continuing in
      self.counted.withLock { $0 += bytes.count }
      var sum = continuing
      for byte in bytes { sum = (sum &+ UInt32(byte) &+ 1) &* 0x0100_0193 }
      return sum
    }
  }
}

/// The disk and the clock as a test wants them.
final class FakeWorld: Sendable {
  private let state = Mutex<(free: Int64, now: Int64)>((free: 1 << 40, now: 1_700_000_000_000))

  /// How large the disk is, apart from what `used` counts.
  func setSize(_ bytes: Int64) { state.withLock { $0.free = bytes } }
  /// Lets enough time go by for a use to be noted.
  func goOn() { state.withLock { $0.now += 120_000 } }

  /// A disk that holds nothing but the cached bytes of a cache.
  func environment(_ root: String) -> CacheEnvironment {
    CacheEnvironment(
      freeSpace: { (_: Int32) throws(CacheFailure) in
        let used = CacheFixture.objectPaths(in: root).reduce(Int64(0)) { sum, path in
          sum + ((try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int64) ?? 0)
        }
        return self.state.withLock { $0.free } - used
      },
      now: { self.state.withLock { $0.now } })
  }
}

/// What a log handler was told.
final class LogLines: Sendable {
  private let lines = Mutex<[String]>([])
  var all: [String] { lines.withLock { $0 } }

  var logger: Logger {
    var logger = Logger(label: "test") { _ in Handler(lines: self) }
    logger.logLevel = .debug
    return logger
  }

  private struct Handler: LogHandler {
    let lines: LogLines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let values = (event.metadata ?? [:]).map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " ")
      lines.lines.withLock { $0.append("\(event.level) \(event.message) \(values)") }
    }
  }
}

/// A cache's directory, and caches on it.
final class CacheFixture: Sendable {
  let directory: TemporaryDirectory
  let checksum = CountingChecksum()
  let world = FakeWorld()
  let log = LogLines()

  init() throws {
    directory = try TemporaryDirectory("cache")
  }

  var root: String { directory.file("cache") }

  func open(maxSize: Int64 = 1 << 40, minFree: Int64 = 0, at root: String? = nil) async throws -> ResultCache {
    try await ResultCache(
      directory: root ?? self.root, limits: CacheLimits(maxSize: ByteCount(maxSize), minFree: ByteCount(minFree)),
      checksum: checksum.function, logger: log.logger, environment: world.environment(root ?? self.root))
  }

  /// The files that hold cached bytes.
  var objectPaths: [String] { Self.objectPaths(in: root) }

  static func objectPaths(in root: String) -> [String] {
    let objects = root + "/objects"
    return (FileManager.default.subpaths(atPath: objects) ?? []).map { objects + "/" + $0 }.filter { path in
      var isDirectory: ObjCBool = false
      return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && !isDirectory.boolValue
    }
  }

  /// Asks the index behind the cache's back.
  func index<Value>(at root: String? = nil, _ body: (Database) throws -> Value) throws -> Value {
    var configuration = Configuration()
    // A cache that was let go of a moment ago may still be closing it.
    configuration.busyMode = .timeout(20)
    return try DatabaseQueue(path: (root ?? self.root) + "/index.sqlite", configuration: configuration).write(body)
  }
}

func task(_ id: String, source: String = "screenplay") throws -> TaskPath {
  try #require(TaskPath(parsing: "\(source)/\(id)"))
}

/// A file to be downloaded.
struct SampleFile: Hashable, Sendable {
  var path: [String]
  var bytes: [UInt8]

  init(_ path: String, _ bytes: [UInt8]) {
    self.path = path.split(separator: "/").map(String.init)
    self.bytes = bytes
  }

  init(_ path: String, size: Int, seed: UInt64 = 1) {
    var generator = SeededGenerator(seed: seed)
    self.init(path, (0..<size).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
  }

  var crc32: UInt32 { bytes.reduce(7) { ($0 &+ UInt32($1)) &* 31 } }
}

/// Runs blocking work away from the cooperative pool. What the work holds is let go of before this returns.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
  let box = Box(body)
  return try await withCheckedThrowingContinuation { continuation in
    DispatchQueue.global().async {
      let result = box.perform()
      continuation.resume(with: result)
    }
  }
}

private final class Box<Value: Sendable>: Sendable {
  private let work: Mutex<(@Sendable () throws -> Value)?>

  init(_ work: @escaping @Sendable () throws -> Value) {
    self.work = Mutex(work)
  }

  func perform() -> Result<Value, any Error> {
    let body = work.withLock { work in
      defer { work = nil }
      return work
    }
    guard let body else { return .failure(CacheFailure(.io, "begun twice")) }
    return Result(catching: body)
  }
}

extension DownloadWriter {
  @discardableResult
  func begin(_ file: SampleFile, ordinal: Int, sizeKnown: Bool = true) throws -> GrowingObject {
    try beginMember(
      ordinal: ordinal, path: file.path, size: sizeKnown ? ByteCount(file.bytes.count) : nil,
      modifiedSeconds: 1_600_000_000 + Int64(ordinal), modifiedNanoseconds: 5)
  }

  func append(_ bytes: some Collection<UInt8>) throws {
    try Array(bytes).withUnsafeBytes { try append($0) }
  }

  @discardableResult
  func add(_ file: SampleFile, ordinal: Int, step: Int = 65_536) throws -> CachedMember {
    try begin(file, ordinal: ordinal)
    for start in stride(from: 0, to: file.bytes.count, by: step) {
      try append(file.bytes[start..<min(start + step, file.bytes.count)])
    }
    return try endMember(crc32: file.crc32, size: ByteCount(file.bytes.count))
  }

  func fail(_ file: SampleFile, ordinal: Int) throws {
    try failMember(
      ordinal: ordinal, path: file.path, size: ByteCount(file.bytes.count), modifiedSeconds: 1_600_000_000,
      modifiedNanoseconds: 0, reason: "is encrypted", word: "locked")
  }
}

extension ResultCache {
  /// A whole download, from begin to finish.
  @discardableResult
  func download(_ task: TaskPath, _ files: [SampleFile], costs: Bool = true, expecting: Int64? = nil) async throws
    -> CachedListing
  {
    let writer = try await beginDownload(of: task, expecting: expecting.map { ByteCount($0) }, costs: costs)
    return try await onThread {
      do {
        for (ordinal, file) in files.enumerated() { try writer.add(file, ordinal: ordinal) }
        return try writer.finish()
      } catch {
        _ = try? writer.breakOff(reason: "\(error)", word: "test")
        throw error
      }
    }
  }

  /// A download that brings these files and then loses its process.
  func crash(_ task: TaskPath, _ files: [SampleFile], costs: Bool = true, partial: SampleFile? = nil) async throws {
    let writer = try await beginDownload(of: task, expecting: nil, costs: costs)
    try await onThread {
      for (ordinal, file) in files.enumerated() { try writer.add(file, ordinal: ordinal) }
      if let partial {
        try writer.begin(partial, ordinal: files.count)
        try writer.append(partial.bytes.dropLast())
      }
    }
  }

  func read(_ name: String, of task: TaskPath) async throws -> [UInt8] {
    let listing = try #require(try await listing(of: task))
    let member = try #require(listing.members.first { $0.path.joined(separator: "/") == name })
    let object = try await open(member, of: task)
    return try contents(of: object.descriptor, count: Int(object.size))
  }

  /// How reading a member fails; nil when it does not.
  func failure(reading name: String, of task: TaskPath) async -> CacheFailure.Kind? {
    do {
      _ = try await read(name, of: task)
      return nil
    } catch {
      return (error as? CacheFailure)?.kind
    }
  }
}

func contents(of descriptor: Int32, at offset: Int = 0, count: Int) throws -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: count)
  let read = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, count, off_t(offset)) }
  guard read >= 0 else { throw CacheFailure(.io, "pread failed") }
  return Array(bytes.prefix(read))
}

/// Changes one byte of a file in place.
func flipByte(at offset: UInt64, of path: String) throws {
  let handle = try #require(FileHandle(forUpdatingAtPath: path))
  defer { try? handle.close() }
  try handle.seek(toOffset: offset)
  let old = try #require(try handle.read(upToCount: 1)?.first)
  try handle.seek(toOffset: offset)
  try handle.write(contentsOf: Data([old ^ 0x40]))
}

/// Sees to it that a change of a file shows in its ctime: kernels count it in ticks of a few milliseconds.
func waitForNextTick() {
  usleep(20_000)
}
