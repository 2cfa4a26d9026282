import Foundation
import Tasks
import Testing

@testable import Providers

@Suite struct ServerTimeTests {
  @Test func datesOfHTTPAreRead() {
    #expect(HTTPDate.parse("Sun, 06 Nov 1994 08:49:37 GMT")?.timeIntervalSince1970 == 784_111_777)
    #expect(HTTPDate.parse("Thu, 29 Feb 2024 00:00:00 GMT")?.timeIntervalSince1970 == 1_709_164_800)
    for text in ["", "soon", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Now 1994 08:49:37 GMT", "06 Nov 1994 08:49:37 GMT"] {
      #expect(HTTPDate.parse(text) == nil, "\(text)")
    }
  }

  @Test func theLastWordIsCarriedOn() {
    let clock = JumpingClock()
    let time = ServerTime(monotonic: clock.clock.now)
    #expect(time.now() == nil)
    time.observe("nonsense")
    #expect(time.now() == nil)
    time.observe("Sun, 06 Nov 1994 08:49:37 GMT")
    clock.advance(by: .seconds(10))
    #expect(time.now()?.timeIntervalSince1970 == 784_111_787)
    time.observe("Sun, 06 Nov 1994 08:49:00 GMT")
    clock.advance(by: .milliseconds(500))
    #expect(time.now()?.timeIntervalSince1970 == 784_111_740.5)
    time.observe("nonsense")
    #expect(time.now()?.timeIntervalSince1970 == 784_111_740.5)
  }

  @Test func bothSourcesTellIt() async throws {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT"
    let screenplay = try ScriptedServer { _, _ in Fixture.reply(200, Fixture.running(), headers: ["Date: \(date)"]) }
    let bench = try Bench(port: screenplay.port)
    #expect(bench.connections.serverTime.now() == nil)
    _ = try await bench.status().get()
    let told = try #require(bench.connections.serverTime.now()?.timeIntervalSince1970)
    #expect((784_111_777..<784_111_777 + 3_600).contains(told))
    await bench.shutdown()

    let pixxel = try ScriptedServer { _, _ in Fixture.reply(403, "{}", headers: ["Date: \(date)"]) }
    let other = try PixxelBench(port: pixxel.port)
    _ = await other.children("w")
    #expect(other.connections.serverTime.now() != nil)
    await other.shutdown()
  }

  /// What a cache kept is not the time of now; and a store is not who bills.
  @Test func cachesAndStoresDoNot() async throws {
    let stale = try ScriptedServer { _, _ in
      Fixture.reply(200, Fixture.running(), headers: ["Date: Sun, 06 Nov 1994 08:49:37 GMT", "Age: 60"])
    }
    let bench = try Bench(port: stale.port)
    _ = try await bench.status().get()
    #expect(bench.connections.serverTime.now() == nil)
    await bench.shutdown()

    let store = try ObjectStore(Fixture.archive(100)) { $0.more = ["Date: Sun, 06 Nov 1994 08:49:37 GMT"] }
    let other = try PixxelBench(port: store.server.port)
    let package = try await other.package().get()
    _ = await drain(try await package.bytes(.whole, of: nil).stream)
    #expect(other.connections.serverTime.now() == nil)
    await other.shutdown()
  }
}
