import FileSystem
import Foundation
import FuseBridge
import TestSupport
import Testing

/// How fast the bridge is, for whoever changes it: run with TOLLFS_BENCHMARK=1, in release mode.
@Suite(
  "Speed of the bridge", .serialized, .enabled(if: ProcessInfo.processInfo.environment["TOLLFS_BENCHMARK"] != nil))
struct BridgeBenchmark {
  @Test func sequentialReads() async throws {
    let store = try TemporaryDirectory("speed")
    let megabytes = 512
    _ = try await ChildProcess.shell("head -c \(megabytes)M /dev/urandom > '\(store.file("file"))'")
    let box = FileDescriptorBox(owning: open(store.file("file"), O_RDONLY))
    let tree = MemoryTree()
    let inode = tree.add("file", .file(box, size: megabytes << 20))
    try await withMount(tree) { mount in
      for _ in 0..<3 {
        for (block, flag) in [("128k", "direct"), ("1M", "direct"), ("4k", "direct"), ("128k", "fullblock")] {
          mount.session.kernelCache.invalidate(inode)
          try await Task.sleep(for: .milliseconds(300))
          let before = tree.calls("read")
          let outcome = try await ChildProcess.run(
            "dd", ["if=" + mount.file("file"), "of=/dev/null", "bs=" + block, "iflag=" + flag])
          let speed = outcome.errors.split(separator: ",").last ?? ""
          print("\(block) \(flag):\(speed.dropLast()) in \(tree.calls("read") - before) requests")
        }
      }
    }
  }

  @Test func roundTrips() async throws {
    let tree = MemoryTree(validity: .none)
    tree.add("file", .bytes([]))
    try await withMount(tree) { mount in
      let script = """
        import os, sys, time
        start = time.monotonic()
        for _ in range(20000): os.stat(sys.argv[1])
        print('%.1f us a stat' % ((time.monotonic() - start) / 20000 * 1e6))
        """
      for _ in 0..<3 {
        print(try await ChildProcess.run("python3", ["-c", script, mount.file("file")]).output)
      }
      print("with", tree.calls("lookup"), "lookups and", tree.calls("attributes"), "attributes")
    }
  }
}
