import Foundation
import TestSupport
import Testing

@testable import FuseBridge

@Suite("Mount options")
struct MountOptionsTests {
  @Test func everyMountIsReadOnlyAndPrivate() throws {
    let options = try MountOptions(parsing: [])
    #expect(
      options.forLibrary == [
        "ro", "nosuid", "nodev", "noexec", "default_permissions", "fsname=tollfs", "subtype=tollfs",
      ])
    #expect(try MountOptions(parsing: ["ro,nosuid", "nodev,,noexec", "default_permissions"]) == options)
    // What fstab lines say to others.
    #expect(try MountOptions(parsing: ["defaults,noauto,user,_netdev,nofail,x-systemd.automount,x-a=b"]) == options)
  }

  @Test func optionsThatAreUnderstood() throws {
    let options = try MountOptions(
      parsing: ["allow_other,fsname=my\\,source,subtype=other,max_read=65536", "auto_unmount,noatime,nonempty"])
    #expect(
      options.forLibrary.dropFirst(5) == [
        "fsname=my\\,source", "subtype=other", "allow_other", "max_read=65536", "auto_unmount", "noatime",
      ])
    #expect(options.fileSystemName == "my,source")
    #expect(options.allowsNonEmpty)
    #expect(try MountOptions(parsing: ["allow_root"]).audience == .root)
  }

  @Test(
    arguments: [
      ("rw", FuseFailure.refusedOption("rw")), ("ro,suid", .refusedOption("suid")), ("dev", .refusedOption("dev")),
      ("exec", .refusedOption("exec")), ("alow_other", .unknownOption("alow_other")),
      ("ro,budget=3", .unknownOption("budget")),
      ("fsname", .invalidOption("fsname", reason: "needs a value, as in fsname=...")),
      ("max_read=12", .invalidOption("max_read", reason: "'12' is not a number of bytes from 4096 on")),
      (
        "allow_other,allow_root", .invalidOption("allow_root", reason: "allow_other and allow_root exclude one another")
      ),
    ])
  func whatIsNotUnderstoodIsAnErrorThatNamesIt(text: String, failure: FuseFailure) {
    #expect(throws: failure) { try MountOptions(parsing: [text]) }
  }

  @Test func theMountTableIsReadWithItsEscapes() {
    let table = MountTable(
      parsing: """
        22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/root rw
        23 22 0:21 / /mnt/with\\040blank rw - fuse.tollfs tollfs rw
        24 23 0:22 / /mnt/with\\040blank ro,nosuid shared:3 master:1 - fuse.other name rw
        nonsense
        """)
    #expect(table.mounts.map(\.type) == ["ext4", "fuse.tollfs", "fuse.other"])
    #expect(table.top(at: "/mnt/with blank")?.device == "0:22")
    #expect(table.top(at: "/mnt") == nil)
  }
}

@Suite("Mounting that fails", .timeLimit(.minutes(5)))
struct MountFailureTests {
  private func failure(at path: String, options: [String] = []) -> FuseFailure? {
    do {
      _ = try FuseSession(
        mounting: MemoryTree(), at: path, options: MountOptions(parsing: options), logger: TestMount.logger)
      return nil
    } catch {
      return error
    }
  }

  @Test func mountpointsThatCannotBe() async throws {
    let directory = try TemporaryDirectory("fuse")
    let file = directory.file("file")
    try Data().write(to: URL(fileURLWithPath: file))
    #expect(failure(at: directory.file("absent")) == .mountpointMissing(directory.file("absent")))
    #expect(failure(at: file) == .mountpointNotADirectory(file))
    #expect(failure(at: directory.path) == .mountpointNotEmpty(directory.path))
    #expect(failure(at: directory.path, options: ["nonempty"]) == nil)
  }

  @Test func aMountpointInUse() async throws {
    let tree = MemoryTree()
    try await withMount(tree) { mount in
      _ = try await ChildProcess.run("ls", [mount.path])
      // Asked on a thread of its own: the question blocks until the mount, which this process serves, has answered.
      let path = mount.path
      let found = await withCheckedContinuation { continuation in
        Thread.detachNewThread { continuation.resume(returning: failure(at: path)) }
      }
      #expect(found == .alreadyMounted(path))
    }
  }

  @Test(.enabled(if: geteuid() == 0)) func aMountThatItsProcessLeftBehind() async throws {
    let directory = try TemporaryDirectory("fuse")
    // A mount whose other end is closed at once.
    let script = """
      import ctypes, os, sys
      device = os.open('/dev/fuse', os.O_RDWR)
      libc = ctypes.CDLL(None, use_errno=True)
      options = 'fd=%d,rootmode=40000,user_id=0,group_id=0' % device
      sys.exit(libc.mount(b'left', sys.argv[1].encode(), b'fuse.tollfs', 0, options.encode()))
      """
    #expect(try await ChildProcess.run("python3", ["-c", script, directory.path]).status == 0)
    let found = failure(at: directory.path)
    #expect(found == .staleMountpoint(directory.path))
    #expect(found?.description.contains("fusermount3 -uz") == true)
    #expect(try await ChildProcess.run("fusermount3", ["-uz", directory.path]).status == 0)
    #expect(failure(at: directory.path) == nil)
  }

  @Test(.enabled(if: geteuid() == 0)) func othersSeeAMountOnlyWhereThatWasAskedFor() async throws {
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "cat"]
    for (options, isSeen) in [([], false), (["allow_root"], false), (["allow_other"], true)] {
      let tree = MemoryTree()
      tree.add("file", .bytes(Array("text".utf8)))
      try await withMount(tree, options: options) { mount in
        #expect(try await ChildProcess.run("chmod", ["755", mount.path + "/.."]).status == 0)
        let outcome = try await ChildProcess.run("setpriv", nobody + [mount.file("file")])
        #expect(outcome.output == (isSeen ? "text" : ""))
        #expect(outcome.errors.contains("Permission denied") != isSeen)
        #expect(try await ChildProcess.run("cat", [mount.file("file")]).output == "text")
      }
    }
  }

  @Test func readsAreNoLargerThanAskedFor() async throws {
    let tree = MemoryTree()
    tree.add("file", .bytes(pattern(1 << 20)))
    try await withMount(tree, options: ["max_read=65536"]) { mount in
      let outcome = try await ChildProcess.run("dd", ["if=" + mount.file("file"), "bs=1M", "iflag=direct"])
      #expect(outcome.outputBytes == pattern(1 << 20))
      #expect(tree.calls("read") == 16)
    }
  }
}
