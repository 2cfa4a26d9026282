import Foundation
import Synchronization

/// A program that a test runs beside itself, with both its outputs collected and a deadline after which it is killed.
///
/// Mount tests drive the mount through such children: a system call on a mount that this very process serves would block
/// a thread of Swift's cooperative pool, and with few cores that hangs the test for good. Everything here that can block
/// (spawning included) happens on threads of its own.
public final class ChildProcess: Sendable {
  /// How a child ended, and what it said.
  public struct Outcome: Sendable {
    /// The exit status; 128 + n for one ended by signal n, as a shell tells it.
    public let status: Int32
    /// Whether the deadline passed and the child was killed for it.
    public let timedOut: Bool
    public let outputBytes: [UInt8]
    public let errorBytes: [UInt8]
    /// From the start of the child to its end.
    public let duration: Duration

    public var output: String { String(decoding: outputBytes, as: UTF8.self) }
    public var errors: String { String(decoding: errorBytes, as: UTF8.self) }
    /// Output as lines, without the empty one after the last newline.
    public var lines: [String] { output.split(separator: "\n", omittingEmptySubsequences: true).map(String.init) }
  }

  public struct SpawnFailure: Error, CustomStringConvertible {
    public let program: String
    public let errno: Int32
    public var description: String { "can't start \(program): \(String(cString: strerror(errno)))" }
  }

  struct State {
    var output: [UInt8] = []
    var errors: [UInt8] = []
    var isReaped = false
    var timedOut = false
    var outcome: Outcome?
    var waiters: [CheckedContinuation<Outcome, Never>] = []
  }

  /// The child's process id, which is also its process group: signals reach what it started in turn.
  public let processID: Int32
  let state = Mutex(State())
  let started = ContinuousClock.now

  init(processID: Int32) {
    self.processID = processID
  }

  /// Runs a program to its end.
  /// - Parameters:
  ///   - program: a path, or a name that is looked up in PATH.
  ///   - environment: what is added to this process's own environment.
  ///   - directory: where the child works; this process's own directory otherwise.
  ///   - timeout: seconds after which the child and its whole process group get SIGKILL.
  public static func run(
    _ program: String, _ arguments: [String] = [], environment: [String: String] = [:], directory: String? = nil,
    timeout: Double = 60
  ) async throws -> Outcome {
    try await start(program, arguments, environment: environment, directory: directory, timeout: timeout).outcome()
  }

  /// Runs a line of shell.
  public static func shell(
    _ script: String, environment: [String: String] = [:], directory: String? = nil, timeout: Double = 60
  ) async throws -> Outcome {
    try await run("/bin/sh", ["-c", script], environment: environment, directory: directory, timeout: timeout)
  }

  /// Starts a program and returns at once; its deadline holds whether or not anybody waits for it.
  public static func start(
    _ program: String, _ arguments: [String] = [], environment: [String: String] = [:], directory: String? = nil,
    timeout: Double = 60
  ) async throws -> ChildProcess {
    let command = SpawnCommand(
      program: program, arguments: arguments, environment: environment, directory: directory)
    let started: Result<ChildProcess, SpawnFailure> = await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        switch command.spawn() {
        case .failure(let failure): continuation.resume(returning: .failure(failure))
        case .success(let spawned):
          let child = ChildProcess(processID: spawned.processID)
          continuation.resume(returning: .success(child))
          ChildSupervisor(child: child, spawned: spawned, deadline: .now + .seconds(timeout)).run()
        }
      }
    }
    return try started.get()
  }

  /// Sends a signal to the child's process group; nothing happens once it has ended.
  public func send(_ signal: Int32) {
    state.withLock { state in
      // Once reaped, the number may belong to somebody else.
      if !state.isReaped { _ = kill(-processID, signal) }
    }
  }

  /// What it has written to its standard output up to now.
  public var outputSoFar: String {
    String(decoding: state.withLock { $0.output }, as: UTF8.self)
  }

  /// What it has written to its standard error up to now.
  public var errorsSoFar: String {
    String(decoding: state.withLock { $0.errors }, as: UTF8.self)
  }

  public var isRunning: Bool {
    state.withLock { $0.outcome == nil }
  }

  /// Waits for the end.
  public func outcome() async -> Outcome {
    await withCheckedContinuation { continuation in
      let known = state.withLock { state in
        if state.outcome == nil { state.waiters.append(continuation) }
        return state.outcome
      }
      if let known { continuation.resume(returning: known) }
    }
  }
}
