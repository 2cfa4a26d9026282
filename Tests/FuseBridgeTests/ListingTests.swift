import FileSystem
import Foundation
import FuseBridge
import TestSupport
import Testing

@Suite("Listing through the kernel", .timeLimit(.minutes(5)))
struct ListingTests {
  private static func bigTree(validity: CacheValidity) -> MemoryTree {
    let tree = MemoryTree(validity: validity)
    let directory = tree.add("big", .directory)
    for number in 0..<5_000 {
      tree.add("entry \(number) " + String(repeating: "x", count: number % 90), .bytes([]), in: directory)
    }
    return tree
  }

  @Test(arguments: [CacheValidity.none, .immutable])
  func everyEntryIsListedOnce(validity: CacheValidity) async throws {
    let tree = Self.bigTree(validity: validity)
    try await withMount(tree) { mount in
      for arguments in [["-U"], ["-lU", "--color=never"], ["-U"]] {
        let outcome = try await ChildProcess.run("ls", arguments + [mount.file("big")])
        let names = outcome.lines.compactMap { line in
          line.range(of: "entry ").map { line[$0.lowerBound...] }
        }
        #expect(names.count == 5_000 && Set(names).count == 5_000)
      }
      #expect(try await ChildProcess.run("find", [mount.file("big"), "-type", "f"]).lines.count == 5_000)
    }
  }

  @Test(arguments: [CacheValidity.none, .immutable])
  func placesInAListingCanBeReturnedTo(validity: CacheValidity) async throws {
    let tree = Self.bigTree(validity: validity)
    let script = """
      opendir(my $d, $ARGV[0]) or die "opendir: $!";
      my (@names, @places);
      push @places, telldir($d);
      while (defined(my $name = readdir($d))) { push @names, $name; push @places, telldir($d); }
      die "only " . scalar(@names) if @names != 5002;
      srand($ARGV[1]);
      for (1..300) {
        my $at = int(rand(5002));
        seekdir($d, $places[$at]);
        for my $next ($at .. $at + 3) {
          last if $next >= 5002;
          my $name = readdir($d);
          die "at $next: $name, not $names[$next]" if $name ne $names[$next];
        }
      }
      rewinddir($d);
      die "rewind" if readdir($d) ne $names[0];
      """
    let seed = UInt64.random(in: 0..<1_000_000)
    print("seed \(seed)")
    try await withMount(tree) { mount in
      let outcome = try await ChildProcess.run("perl", ["-e", script, mount.file("big"), "\(seed)"])
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
  }

  @Test func aLongListingNeedsNoQuestionForEachFile() async throws {
    let tree = Self.bigTree(validity: .immutable)
    try await withMount(tree) { mount in
      _ = try await ChildProcess.run("ls", ["-l", mount.file("big")])
      #expect(tree.calls("lookup") < 100, "one for the directory, the rest came with the listing")
      #expect(tree.calls("attributes") < 100)
      #expect(tree.calls("extendedAttribute") == 0)
      let asked = tree.calls("readDirectory")
      _ = try await ChildProcess.run("ls", ["-l", mount.file("big")])
      #expect(tree.calls("readDirectory") == asked, "the kernel keeps the listing of what can't change")
    }
  }

  @Test(.enabled(if: geteuid() == 0)) func theKernelGivesBackEveryReference() async throws {
    let tree = Self.bigTree(validity: .immutable)
    tree.add("file", .bytes(pattern(1_000)))
    try await withMount(tree) { mount in
      _ = try await ChildProcess.run("ls", ["-lR", mount.path])
      _ = try await ChildProcess.run("find", [mount.path])
      _ = try await ChildProcess.run("cat", [mount.file("file")])
      #expect(tree.references.count >= 5_000)
      let balanced = try await eventually {
        _ = try await ChildProcess.shell("echo 2 > /proc/sys/vm/drop_caches")
        return tree.references.isEmpty
      }
      #expect(balanced, "left: \(tree.references.count)")
      #expect(tree.openHandles == 0)
    }
  }

  @Test func attributesAreReadInTheSizesThatProgramsAskFor() async throws {
    let tree = MemoryTree(attributes: [
      "user.tollfs.status": Array("completed".utf8), "user.tollfs.big": Array(repeating: 0x61, count: 30_000),
      "user.tollfs.empty": [],
    ])
    tree.add("file", .bytes([]))
    try await withMount(tree) { mount in
      let all = try await ChildProcess.run("getfattr", ["--absolute-names", "-d", mount.file("file")])
      #expect(all.output.contains("user.tollfs.status=\"completed\""))
      let big = try await ChildProcess.run(
        "getfattr", ["--absolute-names", "--only-values", "-n", "user.tollfs.big", mount.file("file")])
      #expect(big.outputBytes.count == 30_000)
      let script = """
        import errno, os, sys, ctypes
        path = sys.argv[1]
        assert sorted(os.listxattr(path)) == ['user.tollfs.big', 'user.tollfs.empty', 'user.tollfs.status']
        assert os.getxattr(path, 'user.tollfs.empty') == b''
        def fails(name):
            try: os.getxattr(path, name)
            except OSError as error: return error.errno
        assert fails('user.absent') == errno.ENODATA
        assert fails('system.posix_acl_access') in (errno.EOPNOTSUPP, errno.ENODATA), fails('system.posix_acl_access')
        assert fails('security.selinux') in (errno.EOPNOTSUPP, errno.ENODATA)
        libc = ctypes.CDLL(None, use_errno=True)
        buffer = ctypes.create_string_buffer(4)
        assert libc.getxattr(path.encode(), b'user.tollfs.status', buffer, 4) == -1
        assert ctypes.get_errno() == errno.ERANGE
        assert libc.getxattr(path.encode(), b'user.tollfs.status', None, 0) == 9
        assert libc.listxattr(path.encode(), None, 0) == 53
        """
      let before = tree.calls("extendedAttribute")
      let outcome = try await ChildProcess.run("python3", ["-c", script, mount.file("file")])
      #expect(outcome.status == 0, "\(outcome.errors)")
      // empty, absent, status three times at most: no ACL and no label.
      #expect(tree.calls("extendedAttribute") - before <= 5)
    }
  }
}
