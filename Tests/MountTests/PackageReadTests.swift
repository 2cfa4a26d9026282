import APISimulator
import TestSupport
import Testing

@Suite("Reading files out of signed packages")
struct PackageReadTests {
  @Test("Every byte is right, nothing is fetched twice, and the key never reaches the store")
  func allFiles() async throws {
    try await MountedSystem.with(package: .zip(PackageFiles.mixed), pending: 2) { system in
      try system.expect(PackageFiles.mixed)
      try await system.expectPackage("cold")
      #expect(system.tally.bytesSentTwice == 0, "\(system.tally.overlaps)")
      let sent = system.tally.bytesSent
      try await system.expectPackage("warm")
      #expect(system.tally.bytesSent == sent)
      let requests = system.simulator.requests()
      #expect(requests.contains { $0.kind == .get } && !requests.contains { $0.kind == .head })
      #expect(requests.filter { $0.kind == .get }.allSatisfy { $0.authorization == nil })
      #expect(system.simulator.counters().total.put == 3)
      // Everything is in the cache now: without the network, and after a restart.
      await system.simulator.stop()
      try await system.expectPackage("offline")
      try await system.unmount()
      try await system.mount()
      try await system.expectPackage("offline, after a restart")
      let percent = try await system.shell("getfattr --only-values -n user.tollfs.cached $M/pixxel/wf-1/job-1/task-1")
      #expect(percent.output == "100", "\(percent.errors)")
    }
  }

  @Test("Sizes, times and inodes are the same after a remount, so that a second rsync copies nothing")
  func stable() async throws {
    try await MountedSystem.with(package: .zip(PackageFiles.mixed)) { system in
      let listing = "cd $R && find . -type f -printf '%P %s %T@ %i\\n' | sort"
      let before = try await system.shell(listing)
      #expect(before.status == 0 && before.lines.count == PackageFiles.mixed.count, "\(before.errors)")
      #expect(try await system.shell("rsync -a $R/ $D/copy").status == 0)
      try await system.unmount()
      try await system.mount()
      let after = try await system.shell(listing)
      #expect(after.output == before.output)
      let second = try await system.shell("rsync -a --stats $R/ $D/copy | grep 'files transferred'")
      #expect(second.output.contains(": 0\n"), "\(second.output)")
    }
  }

  @Test("Listing 200 MB moves under 1 %, a small file under three times its size, eight reads of 4 KB under 8 MB")
  func little() async throws {
    let small = PackageFiles.noise("small.bin", 100_000, seed: 8, method: .deflated(level: 1))
    let band = PackageFiles.noise("band.tif", 50_000_000, seed: 9)
    let rest = PackageFiles.noise("rest.bin", 150_000_000, seed: 10)
    try await MountedSystem.with(package: .zip([rest, small, band])) { system in
      #expect(try await system.shell("ls -l $R | wc -l").output == "4\n")
      #expect(system.tally.bytesSent < 2_000_000)
      let listed = system.tally.bytesSent
      #expect(try await system.shell("cat $R/small.bin | wc -c").output == "100000\n")
      #expect(system.tally.bytesSent - listed < 300_000)
      let opened = system.tally.bytesSent
      let random = try await system.shell(
        "for o in 11000 321 7000 12000 5003 9111 1 2222; do dd if=$R/band.tif bs=4096 skip=$o count=1 status=none; done | wc -c"
      )
      #expect(random.output == "32768\n", "\(random.errors)")
      #expect(system.tally.bytesSent - opened < 8_000_000, "\(system.tally.bytesSent - opened)")
      print("listing \(listed), small \(opened - listed), random \(system.tally.bytesSent - opened) bytes")
    }
  }

  @Test("cat, cp, rsync, sha256sum and mmap at once share what is fetched")
  func manyReaders() async throws {
    let files = [
      PackageFiles.noise("band.tif", 24_000_000, seed: 3), PackageFiles.text("table.csv", 30_000_000, seed: 4),
    ]
    try await MountedSystem.with(package: .zip(files)) { system in
      try system.expect(files)
      let outcome = try await system.shell(
        """
        for f in band.tif table.csv; do
          cat $R/$f > $D/$f.cat & cp $R/$f $D/$f.cp & rsync $R/$f $D/$f.rsync & sha256sum < $R/$f > $D/$f.sum &
          python3 -c 'import mmap,sys
        with open(sys.argv[1], "rb") as f: open(sys.argv[2], "wb").write(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ))' $R/$f $D/$f.map &
        done
        wait
        for f in band.tif table.csv; do
          for c in cat cp rsync map; do cmp $D/$f.$c $D/expected/$f; done
          [ "$(cat $D/$f.sum)" = "$(sha256sum < $D/expected/$f)" ] || echo "$f: another sum"
        done
        """, timeout: 120)
      #expect(outcome.output.isEmpty && outcome.errors.isEmpty, "\(outcome.output) \(outcome.errors)")
      #expect(system.tally.bytesSentTwice == 0)
    }
  }

  @Test("Copying many small files takes few requests, and moves each byte once")
  func smallFiles() async throws {
    let files = (100..<400).map { number in
      number.isMultiple(of: 3)
        ? PackageFiles.noise("d/f\(number).bin", 9_000, seed: UInt64(number))
        : PackageFiles.text("d/f\(number).csv", 20_000, seed: UInt64(number))
    }.sorted { String(decoding: $0.name, as: UTF8.self) < String(decoding: $1.name, as: UTF8.self) }
    try await MountedSystem.with(package: .zip(files)) { system in
      try system.expect(files)
      let copied = try await system.shell("rsync -a $R/ $D/copy && diff -r $D/copy $D/expected")
      #expect(copied.status == 0 && copied.output.isEmpty, "\(copied.errors)")
      #expect(system.simulator.counters().total.get < 60, "\(system.simulator.counters().total.get)")
      #expect(system.tally.bytesSentTwice == 0, "\(system.tally.overlaps)")
    }
  }

  @Test(
    "A compressed file can be read at any place, backwards too, and its end without its beginning after an eviction")
  func seeking() async throws {
    let files = [PackageFiles.text("long.csv", 120_000_000, seed: 6)]
    try await MountedSystem.with(package: .zip(files)) { system in
      try system.expect(files)
      let walk = """
        for o in 3000 100 1700 0 2500 1699; do
          dd if=$R/long.csv bs=40960 skip=$o count=2 status=none | cmp - <(dd if=$D/expected/long.csv bs=40960 skip=$o count=2 status=none)
        done
        """
      let jumps = try await system.run(
        "/bin/bash",
        [
          "-c",
          walk.replacing("$R", with: system.path("pixxel/\(MountedSystem.packageKey)/results")).replacing(
            "$D", with: system.directory.path),
        ])
      #expect(jumps.output.isEmpty && jumps.errors.isEmpty && jumps.status == 0, "\(jumps.output) \(jumps.errors)")
      #expect(try await system.shell("cmp $R/long.csv $D/expected/long.csv", timeout: 120).status == 0)
      let whole = system.tally.bytesSent
      #expect(try await system.tollfs("evict", "pixxel/\(MountedSystem.packageKey)").status == 0)
      let tail = try await system.shell(
        "tail -c 100000 $D/expected/long.csv > $D/tail; tail -c 100000 $R/long.csv | cmp - $D/tail", timeout: 60)
      #expect(tail.status == 0, "\(tail.errors)")
      // A seek point lies within 16 MB of content before it, of the 120 MB; the rest is not fetched again.
      #expect(system.tally.bytesSent - whole < whole / 3, "\(system.tally.bytesSent - whole) of \(whole)")
    }
  }

  @Test("A small cache reads a large package all the same, and evicts file by file")
  func smallCache() async throws {
    let files = (1...8).map { PackageFiles.noise("b\($0).tif", 6_000_000, seed: UInt64($0)) }
    var settings = MountedSystem.Settings()
    settings.cache = ["max_size: 20 MB", "min_free: 0"]
    try await MountedSystem.with(package: .zip(files), settings) { system in
      try system.expect(files)
      try await system.expectPackage("first")
      try await system.expectPackage("second")
      let used = try await system.shell("du -s --block-size=1 $D/cache/objects | cut -f1")
      #expect((Int(used.output.dropLast()) ?? .max) < 24_000_000, "\(used.output)")
    }
  }

  @Test("tollfs fetch brings everything, verify checks it, evict drops it, and a crawler fetches nothing")
  func commands() async throws {
    let task = "pixxel/\(MountedSystem.packageKey)"
    var settings = MountedSystem.Settings()
    settings.more = ["crawlers: [nosy]"]
    try await MountedSystem.with(package: .zip(PackageFiles.mixed), settings) { system in
      try system.expect(PackageFiles.mixed)
      let nosy = try await system.shell("cp /bin/cat $D/nosy; ls $R > /dev/null; $D/nosy $R/bands/B1.tif")
      #expect(nosy.errors.contains("Permission denied"), "\(nosy.errors)")
      let before = system.tally.bytesSent
      #expect(before < 100_000)
      let fetched = try await system.tollfs("fetch", task)
      #expect(fetched.status == 0, "\(fetched.errors)")
      // The end of the package, which the mount keeps in its memory, is all that the command asks for once more.
      #expect(system.tally.bytesSentTwice <= 32 << 10)
      let sent = system.tally.bytesSent
      try await system.expectPackage("after fetch")
      #expect(system.tally.bytesSent == sent)
      #expect(try await system.shell("$D/nosy $R/bands/B1.tif | cmp - $D/expected/bands/B1.tif").status == 0)
      #expect(try await system.tollfs("verify", task).status == 0)
      let cost = try await system.tollfs("cost", task)
      #expect(cost.output.contains("verdict: cached"), "\(cost.output)")
      #expect(try await system.tollfs("evict", task).status == 0)
      try await system.expectPackage("after evict")
    }
  }

  @Test("After kill -9 in mid-read the mount comes up again, and what had arrived is not fetched again")
  func killed() async throws {
    let files = [
      PackageFiles.noise("band.tif", 30_000_000, seed: 3), PackageFiles.text("table.csv", 20_000_000, seed: 4),
    ]
    try await MountedSystem.with(package: .zip(files)) { system in
      try system.expect(files)
      system.simulator.setFaults(.with { $0.bytesPerSecond = 8_000_000 }, kind: .get)
      let reader = try await system.start("cat $R/band.tif $R/table.csv > /dev/null")
      try await system.eventually("some of it has come") { system.tally.bytesSent > 12_000_000 }
      try await system.killDaemons()
      _ = await reader.outcome()
      system.simulator.clearFaults()
      try await system.remount()
      try await system.expectPackage("after the crash")
      #expect(system.tally.bytesSentTwice < 12_000_000, "\(system.tally.bytesSentTwice)")
    }
  }
}
