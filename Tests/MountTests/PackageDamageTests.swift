import APISimulator
import Glibc
import TestSupport
import Testing

/// Bytes that are wrong, and networks that are gone.
@Suite("Packages that come damaged, or not at all", .serialized, .timeLimit(.minutes(5)))
struct PackageDamageTests {
  private let band = PackageFiles.noise("band.tif", 1_000_000, seed: 3)
  private let table = PackageFiles.text("table.csv", 4_000_000, seed: 4)
  private let packed = PackageFiles.noise("packed.bin", 900_000, seed: 5, method: .deflated(level: 1))

  @Test("A bit that flips on the way is found at the end of a sequential read, and the file is fetched anew")
  func flippedBit() async throws {
    try await MountedSystem.with(package: .zip([band, packed])) { system in
      try system.expect([band, packed])
      for file in ["band.tif", "packed.bin"] {
        #expect(try await system.shell("ls $R | wc -l").output == "2\n")
        system.simulator.setFaults(.with { $0.flipBitAt = 40_000 }, kind: .get)
        let damaged = try await system.shell("cat $R/\(file) > $D/damaged")
        #expect(damaged.status != 0, "\(file): damage was not found")
        #expect(damaged.errors.contains("Bad message"), "\(file): \(damaged.errors)")
        let reason = try await system.shell("getfattr --only-values -n user.tollfs.error $R/\(file)")
        #expect(!reason.output.isEmpty, "\(reason.errors)")
        system.simulator.clearFaults()
        for when in ["at once", "once more"] {
          let again = try await system.shell("cat $R/\(file) | cmp - $D/expected/\(file)")
          #expect(again.status == 0, "\(file) \(when): \(again.output) \(again.errors)")
        }
        #expect(try await system.tollfs("verify", "pixxel/\(MountedSystem.packageKey)").status == 0)
      }
      try await system.unmount()
      try await system.mount()
      try await system.expectPackage("after a remount")
    }
  }

  @Test("A bit that flips for a program that reads by mmap or in any order is not kept either")
  func flippedBitAtRandomPlaces() async throws {
    try await MountedSystem.with(package: .zip([band, packed])) { system in
      try system.expect([band, packed])
      #expect(try await system.shell("ls $R | wc -l").output == "2\n")
      system.simulator.setFaults(.with { $0.flipBitAt = 40_000 }, kind: .get)
      for file in ["band.tif", "packed.bin"] {
        _ = try await system.shell(
          """
          python3 -c 'import mmap,sys
          with open(sys.argv[1], "rb") as f: mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ).rfind(b"no such bytes")' $R/\(file)
          for o in 9 3 0 11 50 40 2; do dd if=$R/\(file) bs=16384 skip=$o count=2 of=/dev/null status=none; done
          cat $R/\(file) > /dev/null
          """)
      }
      system.simulator.clearFaults()
      try await system.eventually("right bytes", seconds: 5) {
        try await system.shell("diff -rq $R $D/expected").status == 0
      }
      try await system.expectPackage("and they stay right")
      #expect(try await system.tollfs("verify", "pixxel/\(MountedSystem.packageKey)").status == 0)
    }
  }

  @Test("Without the network a reader is told so in the middle, and goes on when it is back")
  func offline() async throws {
    try await MountedSystem.with(package: .zip([band, table])) { system in
      try system.expect([band, table])
      system.simulator.setFaults(.with { $0.bytesPerSecond = 400_000 }, kind: .get)
      let reader = try await system.start("cat $R/table.csv > $D/table; echo \"cat: $?\"; cat $R/band.tif > $D/band")
      try await system.eventually("some of it has come") { system.tally.bytesSent > 200_000 }
      await system.simulator.stop()
      let outcome = await reader.outcome()
      #expect(outcome.output == "cat: 1\n" && outcome.status != 0)
      #expect(outcome.errors.contains("No route to host"), "\(outcome.errors)")
      #expect(try await system.shell("ls $R | wc -l").output == "2\n")
      system.simulator.clearFaults()
      _ = try await system.simulator.start()
      try await system.expectPackage("once the network is back")
    }
  }

  @Test("Ctrl-C frees a reader who waits, in listing, in opening and in reading; the mount goes on")
  func interrupted() async throws {
    try await MountedSystem.with(package: .zip([band, table]), pending: 3) { system in
      try system.expect([band, table])
      try await interrupt("ls $R", of: system) { system.simulator.counters().total.put > 0 }
      #expect(try await system.shell("ls $R | wc -l").output == "2\n")
      system.simulator.setFaults(.with { $0.hold = true }, kind: .get)
      try await interrupt("cat $R/band.tif", of: system) { system.simulator.heldAnswers > 0 }
      try await interrupt("cat $R/table.csv", of: system) { system.simulator.heldAnswers > 1 }
      system.simulator.clearFaults()
      system.simulator.release()
      try await system.expectPackage("after the interrupts")
    }
  }

  private func interrupt(_ line: String, of system: MountedSystem, when: () async throws -> Bool) async throws {
    let reader = try await system.start("exec \(line) > /dev/null")
    try await system.eventually("\(line) waits") { try await when() }
    #expect(reader.isRunning, "\(line) did not wait")
    let began = ContinuousClock.now
    reader.send(SIGINT)
    let outcome = await reader.outcome()
    #expect(outcome.status == 130, "\(line): \(outcome.status) \(outcome.errors)")
    #expect(ContinuousClock.now - began < .seconds(5))
  }

  @Test("A zip that is cut off in the middle: what is whole is kept, the rest is EBADMSG")
  func cutOff() async throws {
    let zip = TemporaryZip(files: [band, table, packed])
    try await MountedSystem.with(package: .bytes(try await zip.bytes(dropping: 500_000))) { system in
      try system.expect([band, table, packed])
      let listing = try await system.shell("ls $R")
      #expect(listing.errors.contains("Bad message"), "\(listing.errors)")
      #expect(listing.lines.contains("band.tif") && listing.lines.contains("table.csv"))
      for file in ["band.tif", "table.csv"] {
        #expect(try await system.shell("cmp $R/\(file) $D/expected/\(file)").status == 0)
      }
      let missing = try await system.shell("cat $R/packed.bin")
      #expect(missing.errors.contains("Bad message"), "\(missing.errors)")
    }
  }
}

/// The bytes of a zip as the store would send them, for tests that spoil them.
struct TemporaryZip {
  let files: [SimulatedFile]

  /// - Parameter count: bytes that are missing at the end.
  func bytes(dropping count: Int = 0) async throws -> [UInt8] {
    let directory = try TemporaryDirectory("zip")
    let path = directory.file("package.zip")
    let simulator = APISimulator(
      APISimulator.Configuration(),
      workflows: [
        SimulatedWorkflow(
          id: "w", jobs: [SimulatedJob(id: "j", tasks: [SimulatedPixxelTask(id: "t", package: .zip(files))])])
      ])
    _ = try await simulator.start()
    let url = try #require(simulator.signedURL(for: "w/j/t"))
    let outcome = try await ChildProcess.run("curl", ["-sSf", "--noproxy", "*", "-o", path, url])
    await simulator.stop()
    try #require(outcome.status == 0, "\(outcome.errors)")
    let read = try await ChildProcess.run("cat", [path])
    return Array(read.outputBytes.dropLast(count))
  }
}
