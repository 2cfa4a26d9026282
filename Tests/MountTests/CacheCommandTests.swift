import APISimulator
import Foundation
import Glibc
import TestSupport
import Testing

/// `pin`, `unpin`, `evict` and `verify`, also while a mount serves the same cache.
@Suite("Cache commands", .serialized, .timeLimit(.minutes(5)))
struct CacheCommandTests {
  private let id = SampleFiles.id
  private var path: String { "screenplay/\(id)" }
  private var results: String { "$M/\(path)/results" }

  /// Micro-dollars of one purchase: $0.12 for 10^9 bytes, rounded up.
  private var price: Int64 { (SampleFiles.bytes * 120_000 + 999_999_999) / 1_000_000_000 }
  private var dollars: String {
    let digits = String(price)
    return "0." + String(repeating: "0", count: 6 - digits.count) + digits
  }

  /// Changes one byte of the cached copy of `noise.bin`.
  private func flipByte(in system: MountedSystem) async throws {
    let found = try await system.shell("find $M/../cache/objects -type f -size 3000001c")
    let object = try #require(found.lines.first)
    // A change shows in the file's ctime only from one tick of the kernel's clock to the next.
    usleep(20_000)
    let handle = try #require(FileHandle(forUpdatingAtPath: object))
    defer { try? handle.close() }
    try handle.seek(toOffset: 2_000_000)
    let old = try #require(try handle.read(upToCount: 1)?.first)
    try handle.seek(toOffset: 2_000_000)
    try handle.write(contentsOf: Data([old ^ 1]))
  }

  private func json(_ outcome: ChildProcess.Outcome) throws -> [[String: Any]] {
    try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
  }

  @Test("Evicted while mounted: open readers keep their bytes, the next open buys once, at the exact price")
  func evict() async throws {
    try await MountedSystem.with([SampleFiles.task()], .init(tasks: [id])) { system in
      let bought = try await system.shell("sha256sum < \(results)/noise.bin")
      #expect(bought.status == 0)
      // The last file is whole a moment before the archive is; the listing waits for that.
      #expect(try await system.shell("ls \(results)").status == 0)
      #expect(system.simulator.counters().task(id).billedMicroDollars == price)
      #expect(try await system.shell("cat $M/\(path)/cost").output.contains("verdict: cached\n"))
      // Its first bytes are read before the eviction, the others after it, past what the kernel has read ahead.
      let script = """
        exec 3< \(results)/noise.bin; head -c 100 <&3 > $M/../part; touch $M/../opened
        while [ ! -e $M/../evicted ]; do sleep 0.05; done
        cat <&3 >> $M/../part; sha256sum < $M/../part
        """
      let reader = try await ChildProcess.start("/bin/sh", ["-c", script], environment: ["M": system.mountpoint])
      for _ in 0..<200 where access(system.directory.file("opened"), F_OK) != 0 {
        try await Task.sleep(for: .milliseconds(50))
      }
      let evicted = try await system.tollfs("evict", path)
      #expect(evicted.status == 0, "\(evicted.errors)")
      #expect(evicted.output.contains("\(SampleFiles.bytes) bytes freed"), "\(evicted.output)")
      #expect(evicted.output.contains("opening it costs \(dollars) (size exact)"), "\(evicted.output)")
      #expect(FileManager.default.createFile(atPath: system.directory.file("evicted"), contents: nil))
      #expect(await reader.outcome().output == bought.output)

      // The listing stays, and costs nothing; the mount's own price is the new one at once.
      let cost = try await system.shell("cat $M/\(path)/cost").output
      #expect(cost.contains("cost: \(dollars)\n"), "\(cost)")
      #expect(cost.contains("bytes_basis: exact\n"))
      #expect(try await system.shell("find \(results) -type f | wc -l").output == "\(SampleFiles.all.count)\n")
      #expect(system.simulator.counters().task(id).download == 1)

      #expect(try await system.shell("sha256sum < \(results)/noise.bin").output == bought.output)
      #expect(try await system.shell("cat \(results)/* > /dev/null; cat \(results)/namelist.json").output == "[]\n")
      #expect(system.simulator.counters().task(id).download == 2)
      #expect(system.simulator.counters().task(id).billedMicroDollars == 2 * price)
      // The bytes are here a moment before the account is closed.
      try await system.eventually("both purchases are settled at the exact price") {
        let ledger = try await system.shell("cat $M/.tollfs/ledger.csv").output
        return ledger.components(separatedBy: ",\(dollars),settled,").count == 3
      }
    }
  }

  @Test("A pin protects from evict, but not from --force; ls shows it")
  func pin() async throws {
    try await MountedSystem.with([SampleFiles.task()], .init(tasks: [id]), mounted: false) { system in
      let early = try await system.tollfs("pin", path)
      #expect(early.status == 1)
      #expect(early.errors.contains("tollfs fetch \(path)"), "\(early.errors)")
      #expect(try await system.tollfs("fetch", path).status == 0)
      #expect(try await system.tollfs("pin", path).output == "\(path): pinned\n")
      #expect(try json(try await system.tollfs("ls", "--json")).first?["pinned"] as? Bool == true)

      let refused = try await system.tollfs("evict", path)
      #expect(refused.status == 1)
      #expect(refused.errors.contains("is pinned; `tollfs unpin \(path)`"), "\(refused.errors)")
      #expect(try await system.shell("find $M/../cache/objects -type f | wc -l").output == "\(SampleFiles.all.count)\n")
      let forced = try json(try await system.tollfs("evict", "--force", "--json", path))
      #expect(forced.first?["freed"] as? Int64 == SampleFiles.bytes)
      #expect(forced.first?["costAgain"] as? String == dollars)

      #expect(try await system.tollfs("unpin", path).output == "\(path): not pinned\n")
      #expect(try json(try await system.tollfs("ls", "--json")).first?["pinned"] as? Bool == false)
      #expect(try await system.tollfs("evict", path).output.contains("nothing in the cache"))
      #expect(try await system.tollfs("evict").status == 64)
      #expect(try await system.tollfs("pin", "nowhere/x").status == 64)
    }
  }

  @Test("verify finds nothing in a healthy cache, and asks the network nothing")
  func healthy() async throws {
    try await MountedSystem.with([SampleFiles.task()], .init(tasks: [id])) { system in
      #expect(try await system.tollfs("verify").output.isEmpty)
      _ = try await system.shell("ls \(results)")
      let requests = system.simulator.counters().total.requests
      let outcome = try await system.tollfs("verify")
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.hasPrefix("\(path): \(SampleFiles.all.count) files right"), "\(outcome.output)")
      let checked = try json(try await system.tollfs("verify", "--repair", "--json", path))
      #expect(checked.first?["bytes"] as? Int64 == SampleFiles.bytes)
      #expect((checked.first?["damaged"] as? [Any])?.isEmpty == true)
      _ = try await system.tollfs("evict", path)
      let evicted = try await system.tollfs("verify")
      #expect(evicted.status == 0)
      #expect(evicted.output.contains("\(SampleFiles.all.count) evicted"))
      #expect(system.simulator.counters().total.requests == requests)
    }
  }

  @Test("A flipped byte is found, is not served, and is bought again once by --repair, within the budget")
  func damaged() async throws {
    try await MountedSystem.with([SampleFiles.task()], .init(tasks: [id])) { system in
      let right = try await system.shell("sha256sum < \(results)/noise.bin").output
      try await system.unmount()
      try await flipByte(in: system)
      let found = try await system.tollfs("verify")
      #expect(found.status == 1)
      #expect(found.output.contains("damaged: \(path)/results/noise.bin: "), "\(found.output)")
      #expect(found.errors.contains("costs \(dollars) (size exact)"), "\(found.errors)")

      try await system.mount()
      let opened = try await system.shell("cat \(results)/noise.bin")
      #expect(opened.errors.contains("Bad message"), "\(opened.errors)")
      #expect(try await system.shell("cat \(results)/namelist.json").output == "[]\n")
      #expect(system.simulator.counters().task(id).download == 1)

      try system.write(.init(budget: ["daily: 0.000001"], tasks: [id]))
      let requests = system.simulator.counters().total.requests
      let refused = try await system.tollfs("verify", "--repair")
      #expect(refused.status == 3, "\(refused.errors)")
      #expect(refused.errors.contains("repairing \(path) costs \(dollars) (size exact)"), "\(refused.errors)")
      #expect(system.simulator.counters().total.requests == requests)

      try system.write(.init(tasks: [id]))
      let repaired = try await system.tollfs("verify", "--repair", "--json")
      #expect(repaired.status == 0, "\(repaired.errors)")
      #expect(try json(repaired).first?["repaired"] as? Bool == true)
      #expect(try json(repaired).first?["repairCost"] as? String == dollars)
      // The mount that said "Bad message" a moment ago.
      #expect(try await system.shell("sha256sum < \(results)/noise.bin").output == right)
      #expect(try await system.tollfs("verify", "--repair").status == 0)
      #expect(system.simulator.counters().task(id).download == 2)
      #expect(system.simulator.counters().task(id).billedMicroDollars == 2 * price)
    }
  }

  @Test("What is free is repaired without being asked")
  func free() async throws {
    let settings = MountedSystem.Settings(budget: nil, tasks: [id], source: ["price_per_gb: 0"])
    try await MountedSystem.with([SampleFiles.task()], settings, mounted: false) { system in
      #expect(try await system.tollfs("fetch", path).status == 0)
      try await flipByte(in: system)
      let repaired = try await system.tollfs("verify")
      #expect(repaired.status == 0, "\(repaired.errors)")
      #expect(repaired.output.contains("\(path): repaired"), "\(repaired.output)")
      #expect(try await system.tollfs("verify").output.hasPrefix("\(path): \(SampleFiles.all.count) files right"))
      #expect(system.simulator.counters().task(id).download == 2)
    }
  }
}
