import FileSystem
import Foundation
import FuseBridge
import TestSupport
import Testing

@Suite("Interrupting and ending", .timeLimit(.minutes(5)))
struct EndingTests {
  /// Far less than anything that hangs here, far more than an interrupt takes.
  static let promptly = Duration.seconds(10)

  @Test(arguments: [SIGINT, SIGKILL, SIGTERM])
  func aReaderStuckInOpenIsFreedByASignal(signal: Int32) async throws {
    let tree = MemoryTree()
    tree.add("hang", .hangingOpen)
    try await withMount(tree) { mount in
      let reader = try await ChildProcess.start("cat", [mount.file("hang")])
      #expect(await eventually { tree.calls("open") == 1 })
      let start = ContinuousClock.now
      reader.send(signal)
      let outcome = await reader.outcome()
      print("freed from open after \(ContinuousClock.now - start)")
      #expect(outcome.status == 128 + signal)
      #expect(ContinuousClock.now - start < Self.promptly)
      #expect(await eventually { tree.cancelled == 1 })
      #expect(await eventually { tree.openHandles == 0 })
    }
  }

  @Test func aReaderStuckInReadIsFreedByASignal() async throws {
    let tree = MemoryTree()
    tree.add("hang", .hangingRead)
    try await withMount(tree) { mount in
      let reader = try await ChildProcess.start("cat", [mount.file("hang")])
      #expect(await eventually { tree.calls("read") == 1 })
      reader.send(SIGINT)
      let outcome = await reader.outcome()
      #expect(outcome.status == 128 + SIGINT && !outcome.timedOut)
      #expect(await eventually { tree.cancelled == 1 && tree.openHandles == 0 })
    }
  }

  @Test func oneInterruptedReaderLeavesTheOthersAlone() async throws {
    let tree = MemoryTree()
    tree.add("hang", .hangingOpen)
    tree.add("slow", .slowOpen(.milliseconds(500)))
    try await withMount(tree) { mount in
      let stuck = try await ChildProcess.start("cat", [mount.file("hang")])
      let patient = try await ChildProcess.start("cat", [mount.file("slow")])
      #expect(await eventually { tree.calls("open") == 2 })
      stuck.send(SIGINT)
      #expect(await stuck.outcome().status == 128 + SIGINT)
      #expect(await patient.outcome().status == 0)
      #expect(tree.cancelled == 1)
    }
  }

  @Test(.enabled(if: geteuid() == 0)) func signalsThatComeAtAnyMomentLeaveNothingBehind() async throws {
    let seed = UInt64.random(in: 0..<1_000_000)
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    let tree = MemoryTree(validity: .none)
    tree.add("slow", .slowOpen(.milliseconds(10)))
    try await withMount(tree) { mount in
      for _ in 0..<40 {
        let reader = try await ChildProcess.start("cat", [mount.file("slow")])
        try await Task.sleep(for: .microseconds(Int64.random(in: 0..<20_000, using: &generator)))
        reader.send(SIGINT)
        #expect(await !reader.outcome().timedOut)
      }
      #expect(await eventually { tree.openHandles == 0 })
      let balanced = try await eventually {
        _ = try await ChildProcess.shell("echo 2 > /proc/sys/vm/drop_caches")
        return tree.references.isEmpty
      }
      #expect(balanced, "left: \(tree.references)")
    }
  }

  @Test func unmountingFromOutsideEndsTheSession() async throws {
    for command in geteuid() == 0 ? ["umount", "fusermount3 -u"] : ["fusermount3 -u"] {
      let tree = MemoryTree()
      tree.add("file", .bytes([1]))
      let mount = try TestMount(tree)
      #expect(try await ChildProcess.run("cat", [mount.file("file")]).outputBytes == [1])
      #expect(try await ChildProcess.shell("\(command) '\(mount.path)'").status == 0)
      #expect(await mount.ends())
      // Harmless now.
      mount.session.kernelCache.invalidate(.root)
      mount.session.stop(drainingFor: .seconds(1))
    }
  }

  @Test(.enabled(if: geteuid() == 0)) func anAbortedConnectionLeavesNoMountBehind() async throws {
    let tree = MemoryTree()
    tree.add("hang", .hangingOpen)
    let mount = try TestMount(tree)
    let reader = try await ChildProcess.start("cat", [mount.file("hang")])
    #expect(await eventually { tree.calls("open") == 1 })
    _ = try await ChildProcess.run("umount", ["-f", mount.path])
    #expect(await mount.ends())
    #expect(await reader.outcome().status == 1)
    #expect(tree.cancelled == 1)
    #expect(try !mount.isMounted)
  }

  @Test func stoppingLetsRequestsInFlightBeAnswered() async throws {
    let tree = MemoryTree()
    tree.add("slow", .slowRead(Array("late but whole".utf8), .milliseconds(700)))
    let mount = try TestMount(tree)
    let script = "import os, sys; f = os.open(sys.argv[1], os.O_RDONLY); print(os.read(f, 100).decode())"
    let reader = try await ChildProcess.start("python3", ["-c", script, mount.file("slow")])
    #expect(await eventually { tree.calls("read") == 1 })
    mount.session.stop(drainingFor: .seconds(30))
    #expect(await reader.outcome().output == "late but whole\n")
    #expect(await mount.ends())
    #expect(tree.cancelled == 0)
    #expect(try !mount.isMounted)
  }

  @Test func stoppingCancelsWhatTakesTooLong() async throws {
    let tree = MemoryTree()
    tree.add("hang", .hangingOpen)
    let mount = try TestMount(tree)
    let reader = try await ChildProcess.start("cat", [mount.file("hang")])
    #expect(await eventually { tree.calls("open") == 1 })
    mount.session.stop(drainingFor: .milliseconds(100))
    #expect(await mount.ends())
    #expect(await reader.outcome().status == 1)
    #expect(tree.cancelled == 1)
  }

  @Test func aSecondStopShortensTheFirst() async throws {
    let tree = MemoryTree()
    tree.add("hang", .hangingOpen)
    let mount = try TestMount(tree)
    let reader = try await ChildProcess.start("cat", [mount.file("hang")])
    #expect(await eventually { tree.calls("open") == 1 })
    mount.session.stop(drainingFor: .seconds(3_600))
    mount.session.stop(drainingFor: .zero)
    #expect(await mount.ends())
    #expect(await reader.outcome().status == 1)
  }

  @Test func aMountInUseIsTakenOutOfSight() async throws {
    let tree = MemoryTree()
    let mount = try TestMount(tree)
    let user = try await ChildProcess.start("sh", ["-c", "echo here; sleep 60"], directory: mount.path)
    #expect(await eventually { user.outputSoFar == "here\n" })
    mount.session.stop(drainingFor: .zero)
    #expect(await mount.ends())
    #expect(try !mount.isMounted)
    user.send(SIGKILL)
    _ = await user.outcome()
  }

  @Test func aSessionThatNeverRanUnmountsWhenItIsLetGo() async throws {
    let directory = try TemporaryDirectory("fuse")
    let tree = MemoryTree()
    do {
      _ = try FuseSession(
        mounting: tree, at: directory.path, options: MountOptions(), logger: TestMount.logger)
    }
    let isGone = try await eventually {
      try !String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8).contains(" \(directory.path) ")
    }
    #expect(isGone)
  }
}
