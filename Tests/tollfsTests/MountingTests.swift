import APISimulator
import Foundation
import TestSupport
import Testing

@testable import tollfs

/// The commands that mount, through a real kernel mount. What the mount itself does is tried in MountTests.
@Suite(.serialized) struct MountingTests {
  /// Waits until `condition` holds; the limit only ends a test that has failed.
  private func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    for _ in 0..<600 {
      if try await condition() { return true }
      try await Task.sleep(for: .milliseconds(50))
    }
    return false
  }

  /// Whether something is mounted there, without touching it.
  private func isMounted(_ path: String) -> Bool { MountInfo.current().top(at: path) != nil }

  private func withMount(_ body: (Program, String) async throws -> Void) async throws {
    let program = try Program()
    let mountpoint = program.directory.file("m")
    try FileManager.default.createDirectory(atPath: mountpoint, withIntermediateDirectories: true)
    try program.write(
      """
      mountpoint: m
      sources:
        screenplay:
          kind: memories-screenplay
          endpoint: http://127.0.0.1:9
          api_key_env: TEST_API_KEY
          tasks: [a]
      budget:
        daily: 1
      cache:
        directory: cache
        min_free: 0
      state:
        directory: state

      """)
    do {
      try await body(program, mountpoint)
    } catch {
      await tearDown(mountpoint)
      throw error
    }
    await tearDown(mountpoint)
  }

  private func tearDown(_ mountpoint: String) async {
    if isMounted(mountpoint) { _ = try? await ChildProcess.run("umount", ["-l", mountpoint], timeout: 20) }
  }

  private func daemon(of program: Program) -> Int32? {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: program.directory.file("state"))) ?? []
    guard let lock = names.first(where: { $0.hasPrefix("mount-") && $0.hasSuffix(".lock") }),
      let text = try? String(contentsOfFile: program.directory.file("state/" + lock), encoding: .utf8)
    else { return nil }
    return text.split(separator: "\n").first.flatMap { Int32($0) }
  }

  @Test func mountReturnsWhenReadyAndUnmountWhenTheProcessIsGone() async throws {
    try await withMount { program, mountpoint in
      #expect(try await program("mount", "--config", program.configuration).status == 0)
      #expect(isMounted(mountpoint))
      let process = try #require(daemon(of: program))
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/cwd") == "/")
      let again = try await program("mount", "--config", program.configuration)
      #expect(again.status == 1 && again.errors.contains("mounted already"))
      #expect(try await program("unmount", "--config", program.configuration).status == 0)
      #expect(!isMounted(mountpoint))
      // The kernel takes the lock back among the last things of a process. A zombie has ended: that nobody has collected it
      // yet is the business of whoever is process 1 here.
      #expect(
        try await eventually {
          let text = ProcFile.text("/proc/\(process)/stat") ?? ""
          let state = text.split(separator: ")").last?.first { $0 != " " }
          return state == nil || state == "Z" || state == "X"
        })
      #expect(try await program("mount", "--config", program.configuration).status == 0)
      #expect(try await program("unmount", mountpoint).status == 0)
    }
  }

  @Test func unmountNamesWhoHoldsTheMountAndLazyTakesItAllTheSame() async throws {
    try await withMount { program, mountpoint in
      #expect(try await program("mount", "--config", program.configuration).status == 0)
      let holder = try await ChildProcess.start("sleep", ["60"], directory: mountpoint + "/screenplay")
      defer { holder.send(SIGKILL) }
      let busy = try await program("unmount", "--config", program.configuration)
      #expect(busy.status == 1)
      #expect(busy.errors.contains("\(holder.processID) sleep (cwd)"), "\(busy.errors)")
      #expect(isMounted(mountpoint))
      #expect(try await program("unmount", "--lazy", "--config", program.configuration).status == 0)
      #expect(!isMounted(mountpoint))
      holder.send(SIGKILL)
    }
  }

  @Test(arguments: [SIGTERM, SIGINT])
  func aSignalUnmountsCleanly(signal: Int32) async throws {
    try await withMount { program, mountpoint in
      let front = try await ChildProcess.start(
        Program.path, ["mount", "-f", "--log-level", "notice", "--config", program.configuration],
        environment: ["HOME": program.directory.path, "TEST_API_KEY": "k", "TOLLFS_CONFIG": ""],
        directory: program.directory.path)
      #expect(try await eventually { front.errorsSoFar.contains(" mounted ") })
      #expect(isMounted(mountpoint))
      front.send(signal)
      let outcome = await front.outcome()
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(!isMounted(mountpoint))
    }
  }

  @Test func hangupReadsTheBudgetAnew() async throws {
    try await withMount { program, mountpoint in
      #expect(try await program("mount", "--config", program.configuration).status == 0)
      let process = try #require(daemon(of: program))
      func limit() async throws -> String {
        try await ChildProcess.run("grep", ["^daily", mountpoint + "/.tollfs/budget"]).output
      }
      #expect(try await limit().contains(" 1.000000 "))
      let text = try String(contentsOfFile: program.configuration, encoding: .utf8)
      try program.write(text.replacingOccurrences(of: "daily: 1", with: "daily: 7"))
      kill(process, SIGHUP)
      #expect(try await eventually { try await limit().contains(" 7.000000 ") })
      try program.write(text.replacingOccurrences(of: "daily: 1", with: "dayly: 9"))
      kill(process, SIGHUP)
      let log = program.directory.file("state/tollfs.log")
      #expect(
        try await eventually { try String(contentsOfFile: log, encoding: .utf8).contains("did you mean `daily`?") })
      #expect(try await limit().contains(" 7.000000 "))
      #expect(try await program("unmount", mountpoint).status == 0)
    }
  }

  @Test func aMountWhoseProcessDiedIsFoundAndTakenAway() async throws {
    try await withMount { program, mountpoint in
      #expect(try await program("mount", "--config", program.configuration).status == 0)
      kill(try #require(daemon(of: program)), SIGKILL)
      let program = program
      #expect(
        try await eventually {
          try await program("doctor", "--offline", "--config", program.configuration).output.contains("may have died")
        })
      #expect(try await program("unmount", "--config", program.configuration).status == 0)
      #expect(!isMounted(mountpoint))
    }
  }

  @Test func theDemoNeedsNothingAndLeavesNothing() async throws {
    let home = try TemporaryDirectory("demo")
    let demo = try await ChildProcess.start(
      Program.path, ["demo"],
      environment: ["HOME": home.path, "TMPDIR": home.path, "TOLLFS_BUDGET_DAILY": "broken", "TOLLFS_CONFIG": "/none"],
      directory: home.path)
    #expect(try await eventually { demo.outputSoFar.contains("tollfs budget") || !demo.isRunning })
    let mountpoint = try #require(MountInfo.current().ownMountpoints.first { $0.hasPrefix(home.path) })
    let task = "\(mountpoint)/screenplay/\(SampleTasks.completed)"
    #expect(try await ChildProcess.run("head", ["-1", task + "/status"]).output == "completed\n")
    #expect(try await ChildProcess.run("ls", [task + "/results"]).lines.contains("merged.xlsx"))
    #expect(try await ChildProcess.run("grep", ["-c", "settled", mountpoint + "/.tollfs/ledger.csv"]).output == "1\n")
    demo.send(SIGINT)
    let outcome = await demo.outcome()
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: home.path).isEmpty)
  }
}
