import APISimulator
import TestSupport
import Testing

/// What stores do to those who read packages: addresses that end, answers that are wrong, connections that break.
@Suite("Packages behind stores that misbehave", .serialized, .timeLimit(.minutes(5)))
struct PackageFaultTests {
  private let files = PackageFiles.mixed

  private func simulator(urlLifetime: Double) -> APISimulator.Configuration {
    var configuration = APISimulator.Configuration()
    configuration.store.urlLifetime = urlLifetime
    return configuration
  }

  private func settings(readTimeout: String = "5 s", retries: Int = 0) -> MountedSystem.Settings {
    MountedSystem.Settings(
      more: ["network:", "  connect_timeout: 2 s", "  read_timeout: \(readTimeout)", "  retries: \(retries)"])
  }

  // MARK: - addresses

  @Test("Addresses that live for a second are renewed as often as needed")
  func shortLives() async throws {
    try await MountedSystem.with(package: .zip(files), simulator: simulator(urlLifetime: 1)) { system in
      try system.expect(files)
      system.simulator.setFaults(.with { $0.bytesPerSecond = 1_500_000 }, kind: .get)
      try await system.expectPackage("with short-lived addresses")
      #expect(system.simulator.counters().total.put > 1)
      #expect(system.tally.bytesSentTwice == 0, "\(system.tally.overlaps)")
    }
  }

  @Test("An address that expires in the middle of a download that then breaks is renewed for the rest")
  func expiresInMidDownload() async throws {
    try await MountedSystem.with(package: .zip(files), settings(retries: 4)) { system in
      try system.expect(files)
      let fault = Faults.with {
        $0.expireAfter = 100_000
        $0.resetAfter = 200_000
      }
      system.simulator.setFaults(fault, kind: .get, times: 4)
      try await system.expectPackage("with addresses that expire")
      #expect(system.simulator.counters().total.put > 1)
      // Bytes that were on their way when the connection was reset are lost, and no others.
      #expect(system.tally.bytesSentTwice < 4 * 200_000, "\(system.tally.overlaps)")
    }
  }

  @Test("A refused address is renewed once; where that is refused, too, it is EACCES with its reason")
  func refusedAddress() async throws {
    try await MountedSystem.with(package: .zip(files)) { system in
      try system.expect(files)
      system.simulator.setFaults(.expired, kind: .get, times: 1)
      #expect(try await system.shell("ls $R | wc -l").output == "4\n")
      #expect(system.simulator.counters().total.put == 2)
      system.simulator.expireURLs()
      #expect(try await system.shell("cmp $R/tables/small.csv $D/expected/tables/small.csv").status == 0)
      #expect(system.simulator.counters().total.put == 3)

      system.simulator.setFaults(.expired, kind: .get)
      try await system.expectFailure("cat $R/bands/B1.tif", "Permission denied", reason: "403", at: "bands/B1.tif")
      system.simulator.clearFaults()
      try await system.expectPackage("once it is allowed again")
    }
  }

  @Test("Redirects to another origin are followed, without the key")
  func redirected() async throws {
    try await MountedSystem.with(package: .zip(files)) { system in
      try system.expect(files)
      let other = "localhost:\(system.simulator.storePort)"
      var fault = Faults()
      fault.redirectHost = other
      system.simulator.setFaults(fault, kind: .get)
      try await system.expectPackage("by another host")
      let gets = system.simulator.requests().filter { $0.kind == .get }
      let hosts = Set(gets.filter { $0.status == 206 }.map(\.host))
      #expect(hosts == [other])
      #expect(gets.allSatisfy { $0.authorization == nil })
    }
  }

  // MARK: - ranges

  @Test("A store that ignores ranges sends the whole package once, and everything in it is there")
  func ignoresRanges() async throws {
    try await MountedSystem.with(package: .zip(files)) { system in
      try system.expect(files)
      system.simulator.setFaults(.with { $0.range = .ignored }, kind: .get)
      try await system.expectPackage("as one stream")
      let whole = try #require(await system.simulator.packageSize(of: MountedSystem.packageKey))
      // One answer is cut off to find out whether it is only ranges from the end that the store does not know.
      #expect(system.simulator.counters().total.get <= 2)
      #expect(system.tally.runs.count { $0.count == whole } == 1, "\(system.tally.overlaps)")
      await system.simulator.stop()
      try await system.expectPackage("from the cache")
    }
  }

  @Test("A store that ignores ranges from the end alone is asked for places")
  func ignoresSuffixes() async throws {
    try await MountedSystem.with(package: .zip([PackageFiles.noise("big.bin", 40_000_000)] + files)) { system in
      try system.expect(files)
      system.simulator.setFaults(.with { $0.range = .suffixIgnored }, kind: .get)
      #expect(try await system.shell("cmp $R/tables/long.csv $D/expected/tables/long.csv").status == 0)
      #expect(try await system.shell("cmp $R/bands/B2.tif $D/expected/bands/B2.tif").status == 0)
      // Whatever was on its way when the unwanted answer was cut off.
      #expect(system.tally.bytesSent < 20_000_000, "\(system.tally.overlaps)")
    }
  }

  @Test(
    "A wrong answer to a range is refused with its reason, and right bytes come once the store is right again",
    arguments: [RangeFault.shifted, .wrongTotal, .noContentRange, .multipart, .unknownTotal, .shorter])
  func wrongRanges(_ fault: RangeFault) async throws {
    try await MountedSystem.with(package: .zip(files)) { system in
      try system.expect(files)
      system.simulator.setFaults(.with { $0.range = fault }, kind: .get)
      let listing = try await system.shell("ls $R")
      #expect(listing.errors.contains("Remote I/O error"), "\(listing.output) \(listing.errors)")
      let reason = try await system.shell("getfattr --only-values -n user.tollfs.error $R")
      #expect(reason.output.contains("part"), "\(reason.output) \(reason.errors)")

      system.simulator.clearFaults()
      #expect(try await system.shell("ls $R | wc -l").output == "4\n")
      system.simulator.setFaults(.with { $0.range = fault }, kind: .get)
      // Another total is another version, which then can't be listed either.
      let place = fault == .wrongTotal ? "." : "bands/B1.tif"
      let error = fault == .wrongTotal ? nil : "Remote I/O error"
      try await system.expectFailure("cat $R/bands/B1.tif", error, reason: "part", at: place)
      try await system.expectFailure("cat $R/tables/long.csv", nil, reason: "part", at: place)
      #expect(try await system.shell("cat $M/README.txt > /dev/null; ls $M/pixxel").status == 0)
      system.simulator.clearFaults()
      try await system.expectPackage("\(fault) is over")
    }
  }

  // MARK: - connections

  @Test("A reset at every 64 KB costs time, and no byte")
  func resets() async throws {
    let files = [
      PackageFiles.noise("band.tif", 3_000_000, seed: 3), PackageFiles.text("table.csv", 4_000_000, seed: 4),
    ]
    // A reset may take everything with it that nobody has read yet; such a request brings nothing, and is repeated.
    try await MountedSystem.with(package: .zip(files), settings(retries: 4)) { system in
      try system.expect(files)
      system.simulator.setFaults(.with { $0.resetAfter = 65_536 }, kind: .get)
      try await system.expectPackage("with resets")
      #expect(system.simulator.counters().total.get > 40)
    }
  }

  @Test("A store that says nothing is ETIMEDOUT, and no worse for the next reader")
  func stalls() async throws {
    try await MountedSystem.with(package: .zip(files), settings(readTimeout: "1 s")) { system in
      try system.expect(files)
      #expect(try await system.shell("ls $R | wc -l").output == "4\n")
      system.simulator.setFaults(.with { $0.stallAfter = 0 }, kind: .get)
      try await system.expectFailure("cat $R/bands/B1.tif", "timed out", reason: "1 s", at: "bands/B1.tif")
      system.simulator.setFaults(.with { $0.hang = true }, kind: .get)
      try await system.expectFailure("cat $R/tables/long.csv", "timed out", reason: "1 s", at: "tables/long.csv")
      system.simulator.clearFaults()
      try await system.expectPackage("once it answers")
      // In the middle of a stream: it is asked for the rest.
      #expect(try await system.tollfs("evict", "pixxel/\(MountedSystem.packageKey)").status == 0)
      system.simulator.setFaults(.with { $0.stallAfter = 30_000 }, kind: .get, times: 2)
      try await system.expectPackage("after a stall")
    }
  }

  @Test("503 for a while is waited for; 503 for ever is EREMOTEIO")
  func unavailable() async throws {
    try await MountedSystem.with(package: .zip(files), settings(retries: 3)) { system in
      try system.expect(files)
      system.simulator.setFaults(.serverError(503), kind: .get, times: 2)
      #expect(try await system.shell("ls $R | wc -l").output == "4\n")
      system.simulator.setFaults(.serverError(503), kind: .get)
      try await system.expectFailure("cat $R/bands/B1.tif", "Remote I/O error", reason: "503", at: "bands/B1.tif")
      system.simulator.setFaults(.serverError(503), kind: .get, times: 3)
      try await system.expectPackage("after a while")
    }
  }
}

extension MountedSystem {
  /// Runs a line that must fail, and looks for the reason of it at a path below the results.
  func expectFailure(_ line: String, _ error: String?, reason: String, at path: String) async throws {
    let outcome = try await shell(line + " > /dev/null")
    #expect(outcome.status != 0, "\(line) succeeded")
    if let error { #expect(outcome.errors.contains(error), "\(line): \(outcome.errors)") }
    let attribute = try await shell("getfattr --only-values -n user.tollfs.error \"$R/\(path)\"")
    #expect(attribute.output.contains(reason), "\(path): \(attribute.output) \(attribute.errors); \(outcome.errors)")
  }
}
