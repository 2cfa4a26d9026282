import APISimulator
import TestSupport
import Testing

/// A package that is replaced behind its address: never a mix of two versions.
@Suite("Packages that change", .serialized, .timeLimit(.minutes(5)))
struct PackageVersionTests {
  private let old = [
    PackageFiles.noise("band.tif", 3_000_000, seed: 3), PackageFiles.text("table.csv", 2_000_000, seed: 4),
    SimulatedFile(path: "old.txt", text: "old\n"),
  ]
  private let new = [
    PackageFiles.noise("band.tif", 2_500_000, seed: 13), PackageFiles.text("table.csv", 2_100_000, seed: 14),
    SimulatedFile(path: "new.txt", text: "new\n"),
  ]

  private var package: SimulatedPackage {
    SimulatedPackage.zip(old).with { $0.nextVersions = [.zip(new, style: .seekable, prefix: [])] }
  }

  @Test("After a change the next open shows the new version whole: names, sizes and bytes")
  func betweenReads() async throws {
    try await MountedSystem.with(package: package) { system in
      #expect(try await system.shell("cat $R/band.tif | wc -c; cat $R/old.txt").output == "3000000\nold\n")
      system.simulator.switchVersion(of: MountedSystem.packageKey)
      // What is in the cache is served without asking anybody; what is not meets the change.
      #expect(try await system.shell("cat $R/old.txt").output == "old\n")
      let meeting = try await system.shell("cat $R/table.csv | wc -c")
      #expect(meeting.output == "2100000\n" || meeting.errors.contains("Stale file handle"), "\(meeting.errors)")
      try system.expect(new)
      try await system.expectPackage("the new version")
      let sizes = try await system.shell("ls -l $R | awk 'NR > 1 { print $5, $9 }'")
      #expect(sizes.lines == ["2500000 band.tif", "4 new.txt", "2100000 table.csv"])
      try await system.unmount()
      try await system.mount()
      try await system.expectPackage("after a remount")
    }
  }

  @Test("Who reads the old version while it changes gets ESTALE for what has not come, and never bytes of the new one")
  func inMidRead() async throws {
    try await MountedSystem.with(package: package) { system in
      for (file, before, after, size) in [("band.tif", old, new, 2_500_000), ("table.csv", new, old, 2_000_000)] {
        try await system.expectOnly(before)
        let reader = try await system.start(
          """
          exec 3< $R/\(file); dd bs=65536 count=1 of=$D/first status=none <&3; echo opened
          while [ ! -e $D/go ]; do sleep 0.05; done
          cat <&3 > $D/rest; echo "cat: $?"; ls -l $R | awk 'NR > 1 { print $5, $9 }'
          """)
        try await system.eventually("\(file) is open") { reader.outputSoFar.contains("opened") }
        system.simulator.switchVersion(of: MountedSystem.packageKey)
        _ = try await system.shell("touch $D/go")
        let outcome = await reader.outcome()
        #expect(outcome.output.contains("cat: 1"), "\(outcome.output) \(outcome.errors)")
        #expect(outcome.errors.contains("Stale file handle"), "\(file): \(outcome.errors)")
        // Its own look at the directory shows the new version already.
        #expect(outcome.output.contains("\(size) \(file)"), "\(outcome.output)")
        let prefix = try await system.shell(
          """
          cat $D/first $D/rest > $D/got; rm $D/go
          head -c $(stat -c %s $D/got) $D/expected/\(file) | cmp - $D/got
          """)
        #expect(prefix.status == 0, "\(file): bytes of another version: \(prefix.errors)")
        try await system.expectOnly(after)
        let again = try await system.shell("cmp $R/\(file) $D/expected/\(file)")
        #expect(again.status == 0, "\(file): \(again.output) \(again.errors)")
      }
    }
  }

  @Test("An answer that goes on with the bytes of another version is never taken for a file", arguments: [true, false])
  func inMidAnswer(_ tears: Bool) async throws {
    let settings = MountedSystem.Settings(more: [
      "network:", "  connect_timeout: 2 s", "  read_timeout: 5 s", "  retries: 4",
    ])
    try await MountedSystem.with(package: package, settings) { system in
      try system.expect(new)
      #expect(try await system.shell("ls $R | wc -l").output == "3\n")
      system.simulator.setFaults(
        .with {
          $0.nextVersionAfter = 10_000
          $0.tears = tears
          $0.resetAfter = tears ? nil : 15_000
        }, kind: .get, times: 1)
      let torn = try await system.shell("cat $R/band.tif > $D/torn")
      if torn.status != 0 {
        #expect(torn.errors.contains("Stale") || torn.errors.contains("Bad message"), "\(torn.errors)")
      } else {
        #expect(try await system.shell("cmp $D/torn $D/expected/band.tif").status == 0)
      }
      system.simulator.clearFaults()
      try await system.expectPackage("the new version")
    }
  }

  @Test("A store without validators: bytes of two addresses are never joined, and all files can be read")
  func noValidators() async throws {
    try await MountedSystem.with(package: package) { system in
      try system.expect(old)
      system.simulator.setFaults(.with { $0.validators = .neither }, kind: .get)
      try await system.expectPackage("by one address")
      try await system.unmount()
      try await system.mount()
      try await system.expectPackage("after a remount")
      #expect(try await system.tollfs("evict", "pixxel/\(MountedSystem.packageKey)").status == 0)
      try await system.unmount()
      try await system.mount()
      let reader = try await system.start(
        """
        exec 3< $R/band.tif; echo opened; while [ ! -e $D/go ]; do sleep 0.05; done
        cat <&3 > /dev/null; echo "cat: $?"
        """)
      try await system.eventually("it is open") { reader.outputSoFar.contains("opened") }
      system.simulator.expireURLs()
      _ = try await system.shell("touch $D/go")
      let outcome = await reader.outcome()
      #expect(outcome.errors.contains("Stale file handle"), "\(outcome.output) \(outcome.errors)")
      try await system.expectPackage("by another address")
    }
  }

  @Test("A change that alters no byte costs the fetched bytes, and nothing else")
  func sameBytes() async throws {
    try await MountedSystem.with(package: .zip(old)) { system in
      try system.expect(old)
      #expect(try await system.shell("cat $R/band.tif | wc -c").output == "3000000\n")
      system.simulator.switchVersion(of: MountedSystem.packageKey)
      try await system.expectPackage("the same bytes under another validator")
    }
  }
}

extension MountedSystem {
  /// The same as ``expect(_:)``, in place of what was expected before.
  func expectOnly(_ files: [SimulatedFile]) async throws {
    _ = try await shell("rm -rf $D/expected")
    try expect(files)
  }
}
