import APISimulator
import Foundation
import TestSupport
import Testing

/// Packages whose bytes cost money: never more than the caps allow, and the ledger says what the bill says.
@Suite("Packages that cost money", .serialized, .timeLimit(.minutes(5)))
struct PackageMoneyTests {
  private let files = [
    PackageFiles.noise("band.tif", 8_000_000, seed: 3), PackageFiles.text("table.csv", 12_000_000, seed: 4),
    PackageFiles.noise("small.bin", 50_000, seed: 5),
  ]

  private func billed(
    _ budget: [String], _ body: (MountedSystem) async throws -> Void
  ) async throws {
    var settings = MountedSystem.Settings(budget: budget)
    settings.pixxel = ["price_per_gb: 0.12"]
    settings.more = ["network:", "  connect_timeout: 2 s", "  read_timeout: 5 s", "  retries: 2"]
    var simulator = APISimulator.Configuration()
    simulator.store.pricing = Pricing()
    try await MountedSystem.with(package: .zip(files), settings, simulator: simulator) { system in
      try system.expect(files)
      try await body(system)
    }
  }

  private func states(_ system: MountedSystem) async throws -> [String] {
    try await system.shell("tail -n +2 $M/.tollfs/ledger.csv | cut -d, -f6").lines
  }

  /// Once everything is closed and unmounted, the ledger counts what the store billed, or a little more: never less.
  /// - Parameter cutOff: bytes that were asked for and not waited for: nobody knows how many of them the store has sent.
  private func expectLedgerEqualsBill(_ system: MountedSystem, _ when: String, cutOff: Int64 = 0) async throws {
    let total = system.simulator.counters().total
    let counted = try await system.counted()
    print("\(when): billed \(total.billedMicroDollars), counted \(counted) micro-dollars, \(total.get) requests")
    #expect(counted >= total.billedMicroDollars, "\(when)")
    #expect(counted <= total.billedMicroDollars + Int64(total.get) + Pricing().cost(of: cutOff), "\(when)")
  }

  @Test("What is read is charged, to the micro-dollar, and nothing stays reserved")
  func charged() async throws {
    try await billed(["daily: 5"]) { system in
      let few = try await system.shell(
        """
        ls $R > /dev/null; cat $R/small.bin > /dev/null; head -c 100000 $R/table.csv > /dev/null
        for o in 1 900 300 1500; do dd if=$R/band.tif bs=4096 skip=$o count=1 of=/dev/null status=none; done
        """)
      #expect(few.status == 0, "\(few.errors)")
      try await system.eventually("nothing is reserved") {
        try await !states(system).contains("reserved")
      }
      try await system.expectPackage("paid")
      // At once: what is not settled yet is settled before the program ends.
      try await system.unmount()
      try await system.mount()
      let ended = try await states(system)
      #expect(!ended.isEmpty && !ended.contains("reserved") && !ended.contains("unsettled"), "\(ended)")
      try await system.unmount()
      try await expectLedgerEqualsBill(system, "all read", cutOff: 2_000_000)
    }
  }

  @Test("What a cap forbids is EDQUOT before any byte has moved; no budget at all forbids everything")
  func capped() async throws {
    // A look costs at most 0.000126, the small file 0.000006; the band 0.00096.
    try await billed(["daily: 5", "per_open: 0.0005"]) { system in
      #expect(try await system.shell("ls $R | wc -l").output == "3\n")
      let before = system.simulator.counters().total
      let refused = try await system.shell("cat $R/band.tif")
      #expect(refused.errors.contains("Disk quota exceeded"), "\(refused.errors)")
      #expect(system.simulator.counters().total.bytesSent == before.bytesSent)
      #expect(system.simulator.counters().total.get == before.get)
      let reason = try await system.shell("getfattr --only-values -n user.tollfs.error $R/band.tif")
      #expect(reason.output.contains("per_open"), "\(reason.output) \(reason.errors)")
      #expect(try await system.shell("cmp $R/small.bin $D/expected/small.bin").status == 0)
      let fetched = try await system.tollfs("fetch", "pixxel/\(MountedSystem.packageKey)")
      #expect(fetched.status == 3, "\(fetched.errors)")
      try await system.unmount()
      try await expectLedgerEqualsBill(system, "capped")
    }
    try await MountedSystem.with(
      package: .zip(files), MountedSystem.Settings(budget: nil, pixxel: ["price_per_gb: 0.12"])
    ) { system in
      let refused = try await system.shell("ls $R")
      #expect(refused.errors.contains("Disk quota exceeded"), "\(refused.errors)")
      #expect(system.simulator.counters().total.get == 0)
    }
  }

  @Test("A total that runs out in the middle of many opens refuses what comes next, and is never exceeded")
  func runsOut() async throws {
    try await billed(["total: 0.001"]) { system in
      let outcome = try await system.shell(
        "ls $R > /dev/null; for f in small.bin table.csv band.tif; do cat $R/$f > /dev/null || echo refused $f; done")
      #expect(outcome.output.contains("refused band.tif"), "\(outcome.output) \(outcome.errors)")
      try await system.unmount()
      try await expectLedgerEqualsBill(system, "run out")
      #expect(system.simulator.counters().total.billedMicroDollars <= 1_000)
    }
  }

  @Test("A package that can only come as a whole is paid for as a whole: under the caps, before it is asked for")
  func whole() async throws {
    // 600 micro-dollars, and a look at it some.
    let tar = SimulatedPackage.tar([PackageFiles.noise("band.tif", 5_000_000, seed: 3)])
    for (budget, isAllowed) in [("per_open: 0.000500", false), ("per_open: 0.000900", true)] {
      try await billed([budget]) { system in
        system.simulator.setPackage(MountedSystem.packageKey, tar)
        _ = await system.simulator.packageSize(of: MountedSystem.packageKey)
        let listed = try await system.shell("ls $R")
        if isAllowed {
          #expect(listed.lines == ["band.tif"], "\(listed.errors)")
        } else {
          #expect(listed.errors.contains("Disk quota exceeded"), "\(listed.output)")
          #expect(system.tally.bytesSent < 200_000, "\(system.tally.overlaps)")
        }
        try await expectLedgerEqualsBill(system, "a tar under \(budget)")
        #expect(try await !states(system).contains("reserved"))
      }
    }
  }

  @Test("Many readers of one file pay for it once")
  func shared() async throws {
    try await billed(["daily: 5"]) { system in
      let outcome = try await system.shell(
        """
        for i in 1 2 3 4; do cat $R/band.tif > $D/a$i & cat $R/table.csv > $D/b$i & done; wait
        for i in 1 2 3 4; do cmp $D/a$i $D/expected/band.tif; cmp $D/b$i $D/expected/table.csv; done
        """)
      #expect(outcome.output.isEmpty && outcome.errors.isEmpty, "\(outcome.output) \(outcome.errors)")
      #expect(system.tally.bytesSentTwice == 0, "\(system.tally.overlaps)")
      try await system.unmount()
      try await expectLedgerEqualsBill(system, "shared")
    }
  }

  @Test("Broken answers and a lost network are charged as far as they came")
  func broken() async throws {
    try await billed(["daily: 5"]) { system in
      #expect(try await system.shell("ls $R | wc -l").output == "3\n")
      system.simulator.setFaults(.with { $0.resetAfter = 300_000 }, kind: .get, times: 3)
      #expect(try await system.shell("cmp $R/band.tif $D/expected/band.tif").status == 0)
      system.simulator.setFaults(.with { $0.bytesPerSecond = 1_000_000 }, kind: .get)
      let reader = try await system.start("cat $R/table.csv > /dev/null")
      let before = system.tally.bytesSent
      try await system.eventually("some of it has come") { system.tally.bytesSent > before + 300_000 }
      await system.simulator.stop()
      #expect(await reader.outcome().status != 0)
      try await system.eventually("nothing is reserved") { try await !states(system).contains("reserved") }
      try await system.unmount()
      // Bytes that had left the store and were lost with the connection are in its bill, not in the ledger.
      let (billed, counted) = (
        system.simulator.counters().total.billedMicroDollars, try await system.counted()
      )
      print("broken: billed \(billed), counted \(counted) micro-dollars")
      #expect(counted > 0)
    }
  }

  @Test("What came damaged and was paid for is not bought again by itself, but by tollfs fetch")
  func damaged() async throws {
    try await billed(["daily: 5"]) { system in
      #expect(try await system.shell("ls $R | wc -l").output == "3\n")
      for file in ["band.tif", "table.csv"] {
        system.simulator.setFaults(.with { $0.flipBitAt = 40_000 }, kind: .get)
        let damaged = try await system.shell("cat $R/\(file) > /dev/null")
        #expect(damaged.errors.contains("Bad message"), "\(file): \(damaged.errors)")
        system.simulator.clearFaults()
        let before = system.simulator.counters().total.get
        let again = try await system.shell("cat $R/\(file) > /dev/null")
        #expect(again.errors.contains("Bad message"), "\(file): \(again.errors)")
        #expect(system.simulator.counters().total.get == before)
      }
      let fetched = try await system.tollfs("fetch", "pixxel/\(MountedSystem.packageKey)")
      #expect(fetched.status == 0, "\(fetched.errors)")
      try await system.expectPackage("fetched anew")
      try await system.unmount()
      try await expectLedgerEqualsBill(system, "damaged", cutOff: 11_000_000)
    }
  }

  @Test("After kill -9 in mid-read the open is unsettled, and counted as what it might have cost")
  func killed() async throws {
    try await billed(["daily: 5"]) { system in
      #expect(try await system.shell("ls $R | wc -l").output == "3\n")
      system.simulator.setFaults(.with { $0.bytesPerSecond = 2_000_000 }, kind: .get)
      let reader = try await system.start("cat $R/band.tif > /dev/null")
      try await system.eventually("some of it has come") { system.tally.bytesSent > 1_000_000 }
      try await system.killDaemons()
      _ = await reader.outcome()
      system.simulator.clearFaults()
      try await system.remount()
      #expect(try await states(system).contains("unsettled"))
      // 8 MB at $0.12 per GB.
      #expect(try await system.counted() >= 960)
      try await system.expectPackage("after the crash")
      try await system.unmount()
      #expect(try await system.counted() >= system.simulator.counters().total.billedMicroDollars)
    }
  }
}
