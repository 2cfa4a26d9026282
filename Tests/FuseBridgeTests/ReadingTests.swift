import FileSystem
import Foundation
import FuseBridge
import TestSupport
import Testing

@Suite("Reading through the kernel", .timeLimit(.minutes(5)))
struct ReadingTests {
  @Test func filesHoldWhatTheTreeHolds() async throws {
    let tree = MemoryTree()
    let directory = tree.add("results", .directory)
    tree.add("README.txt", .bytes(Array("hello\n".utf8)))
    tree.add("empty", .bytes([]), in: directory)
    tree.add("données 数据", .bytes(pattern(300_000)), in: directory)
    tree.add("link", .link("results/empty"))
    try await withMount(tree) { mount in
      #expect(try await ChildProcess.run("cat", [mount.file("README.txt")]).output == "hello\n")
      #expect(try await ChildProcess.run("cat", [mount.file("results/données 数据")]).outputBytes == pattern(300_000))
      let empty = try await ChildProcess.run("cat", [mount.file("link")])
      #expect(empty.status == 0 && empty.outputBytes.isEmpty)
      #expect(try await ChildProcess.run("readlink", [mount.file("link")]).output == "results/empty\n")
      let missing = try await ChildProcess.run("cat", [mount.file("nothing")])
      #expect(missing.errors.contains("No such file"))
      let found = try await ChildProcess.run("find", ["."], directory: mount.path)
      #expect(
        Set(found.lines) == [".", "./results", "./results/empty", "./results/données 数据", "./README.txt", "./link"])
    }
    #expect(tree.openHandles == 0)
  }

  @Test func attributesAreThoseOfAReadOnlyTreeOfTheUser() async throws {
    let tree = MemoryTree()
    tree.add("file", .bytes(pattern(1_025)))
    tree.add("directory", .directory)
    try await withMount(tree) { mount in
      let format = "%A %u %g %s %b %h %F %.Y"
      let names = [mount.file("file"), mount.file("directory"), mount.path]
      let outcome = try await ChildProcess.run("stat", ["-c", format] + names)
      let owner = "\(getuid()) \(getgid())"
      #expect(
        outcome.lines == [
          "-r--r--r-- \(owner) 1025 3 1 regular file 1700000000.123456789",
          "dr-xr-xr-x \(owner) 0 0 2 directory 1700000000.123456789",
          "dr-xr-xr-x \(owner) 0 0 2 directory 1700000000.123456789",
        ])
      let table = try await ChildProcess.run("findmnt", ["-no", "SOURCE,FSTYPE,OPTIONS", mount.path])
      #expect(table.output.hasPrefix("tollfs fuse.tollfs ro,nosuid,nodev,noexec"))
      #expect(table.output.contains("default_permissions") && !table.output.contains("allow_other"))
      let space = try await ChildProcess.run("df", ["-B1", "--output=used,avail,itotal", mount.path])
      #expect(space.lines.last?.split(separator: " ") == ["3145728", "5242880", "42"])
    }
  }

  @Test(arguments: [true, false])
  func randomReadsEqualAModel(fromDisk: Bool) async throws {
    let seed = UInt64.random(in: 0..<1_000_000_000)
    print("seed \(seed)")
    let store = try TemporaryDirectory("model")
    let content = pattern(5_000_001, seed: seed)
    try Data(content).write(to: URL(fileURLWithPath: store.file("model")))
    let box = FileDescriptorBox(owning: open(store.file("model"), O_RDONLY))
    let tree = MemoryTree()
    tree.add("file", fromDisk ? .file(box, size: content.count) : .bytes(content))
    try await withMount(tree) { mount in
      let script = """
        import os, random, sys
        random.seed(int(sys.argv[3]))
        mount, model = os.open(sys.argv[1], os.O_RDONLY), os.open(sys.argv[2], os.O_RDONLY)
        size = os.fstat(model).st_size
        for _ in range(400):
            offset = random.randrange(size + 5000)
            count = random.choice([1, 100, 4096, 131072, 1048576, random.randrange(1, 2000000)])
            if os.pread(mount, count, offset) != os.pread(model, count, offset):
                sys.exit("differs at %d, %d" % (offset, count))
            if random.random() < 0.2:
                os.posix_fadvise(mount, 0, 0, os.POSIX_FADV_DONTNEED)
        """
      let outcome = try await ChildProcess.run(
        "python3", ["-c", script, mount.file("file"), store.file("model"), "\(seed)"])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(try await ChildProcess.run("cmp", [mount.file("file"), store.file("model")]).status == 0)
    }
  }

  @Test func aFileCutShortUnderUsIsAnError() async throws {
    let store = try TemporaryDirectory("short")
    try Data(pattern(200_000)).write(to: URL(fileURLWithPath: store.file("file")))
    let box = FileDescriptorBox(owning: open(store.file("file"), O_RDONLY))
    let tree = MemoryTree()
    tree.add("file", .file(box, size: 400_000))
    try await withMount(tree) { mount in
      let outcome = try await ChildProcess.run("cat", [mount.file("file")])
      #expect(outcome.errors.contains("Input/output error"))
      #expect(outcome.outputBytes.count <= 200_000)
    }
  }

  @Test func theKernelKeepsWhatNeverChanges() async throws {
    let tree = MemoryTree()
    let inode = tree.add("file", .bytes(pattern(10_000)))
    try await withMount(tree) { mount in
      for _ in 0..<3 { _ = try await ChildProcess.run("cat", [mount.file("file")]) }
      #expect(tree.calls("read") == 1)
      #expect(tree.calls("lookup") == 1)
      // Until it is told otherwise: size, content and name.
      tree.change(inode, .bytes(pattern(20_000, seed: 2)))
      mount.session.kernelCache.invalidate(inode)
      let isNew = try await eventually {
        try await ChildProcess.run("cat", [mount.file("file")]).outputBytes == pattern(20_000, seed: 2)
      }
      #expect(isNew)
      #expect(tree.calls("lookup") == 1)
      let name = try #require(FileName("file"))
      mount.session.kernelCache.invalidate(name, in: .root)
      #expect(
        try await eventually {
          _ = try await ChildProcess.run("stat", [mount.file("file")])
          return tree.calls("lookup") == 2
        })
    }
  }

  @Test func whatIsLiveIsReadAtEveryOpen() async throws {
    let tree = MemoryTree(validity: .none)
    tree.add("status", .live)
    try await withMount(tree) { mount in
      for number in 1...3 {
        let outcome = try await ChildProcess.run("cat", [mount.file("status")])
        #expect(outcome.output == "open number \(number)\n")
      }
    }
  }

  @Test(arguments: [Duration.zero, .seconds(3_600)])
  func absenceIsRememberedAsLongAsTheTreeSays(duration: Duration) async throws {
    let tree = MemoryTree(absence: duration)
    try await withMount(tree) { mount in
      for _ in 0..<3 {
        let outcome = try await ChildProcess.run("stat", [mount.file("absent")])
        #expect(outcome.errors.contains("No such file"))
      }
      #expect(tree.calls("lookup") == (duration == .zero ? 3 : 1))
    }
  }

  @Test func namesThatNoTreeCanHoldAreAbsent() async throws {
    let tree = MemoryTree()
    try await withMount(tree) { mount in
      let script = "stat \"$1/$(printf 'a\\377b')\""
      let notText = try await ChildProcess.run("sh", ["-c", script, "sh", mount.path])
      #expect(notText.status == 1 && notText.errors.contains("No such file"))
      let long = try await ChildProcess.run("stat", [mount.file(String(repeating: "n", count: 300))])
      #expect(long.errors.contains("File name too long"))
      #expect(tree.calls("lookup") == 0)
    }
  }

  @Test func anythingThatWritesIsRefused() async throws {
    let tree = MemoryTree()
    tree.add("file", .bytes([1, 2, 3]))
    tree.add("directory", .directory)
    let attempts = [
      "touch new", "touch file", "rm -f file", "rmdir directory", "mkdir new", "mv file other", "ln file other",
      "ln -s file other", "chmod 600 file", "chown 1 file", "truncate -s 0 file", "echo x >> file",
      "setfattr -n user.x -v y file", "setfattr -x user.tollfs.status file", "mkfifo pipe",
    ]
    try await withMount(tree) { mount in
      for attempt in attempts {
        let outcome = try await ChildProcess.shell("cd '\(mount.path)' && \(attempt)", environment: ["LC_ALL": "C"])
        #expect(
          outcome.status != 0 && outcome.errors.contains("Read-only file system"), "\(attempt): \(outcome.errors)")
      }
    }
  }
}
