import FileSystem
import Foundation
import FuseBridge
import Logging
import Synchronization
import TestSupport
import Testing

/// A tree mounted for a test, and what programs see of it.
final class TestMount: Sendable {
  let path: String
  let session: FuseSession
  private let directory: TemporaryDirectory
  private let hasEnded = Mutex(false)

  init(_ tree: MemoryTree, options: [String] = []) throws {
    directory = try TemporaryDirectory("fuse")
    path = directory.file("mount")
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    session = try FuseSession(
      mounting: tree, at: path, options: MountOptions(parsing: options), logger: Self.logger)
    Task { [session, weak self] in
      await session.run()
      self?.hasEnded.withLock { $0 = true }
    }
  }

  static var logger: Logger {
    var logger = Logger(label: "test") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = ProcessInfo.processInfo.environment["TOLLFS_TEST_LOG"] == nil ? .error : .trace
    return logger
  }

  func file(_ name: String) -> String { path + "/" + name }

  /// Whether `run` returns within so long.
  func ends(within duration: Duration = .seconds(20)) async -> Bool {
    await eventually(within: duration) { self.hasEnded.withLock { $0 } }
  }

  var isMounted: Bool {
    get throws {
      try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8).contains(" \(path) ")
    }
  }
}

/// Mounts, tests, and ends the session whatever happened.
func withMount(
  _ tree: MemoryTree, options: [String] = [], _ body: (TestMount) async throws -> Void
) async throws {
  let mount = try TestMount(tree, options: options)
  do {
    try await body(mount)
  } catch {
    mount.session.stop(drainingFor: .zero)
    _ = await mount.ends()
    throw error
  }
  mount.session.stop(drainingFor: .seconds(5))
  #expect(await mount.ends())
  #expect(try !mount.isMounted)
}

/// Waits for something that is bound to happen; the limit is only there to end a test that fails.
func eventually(within duration: Duration = .seconds(20), _ condition: () async throws -> Bool) async rethrows -> Bool {
  let limit = ContinuousClock.now + duration
  while ContinuousClock.now < limit {
    if try await condition() { return true }
    try? await Task.sleep(for: .milliseconds(5))
  }
  return try await condition()
}

/// Bytes that differ everywhere.
func pattern(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var generator = SeededGenerator(seed: seed)
  return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
}
