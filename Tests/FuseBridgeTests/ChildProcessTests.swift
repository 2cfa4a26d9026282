import Foundation
import TestSupport
import Testing

@Suite("A child process of a test")
struct ChildProcessTests {
  @Test func tellsItsStatusAndBothOutputs() async throws {
    let outcome = try await ChildProcess.shell("echo out; echo $WORD >&2; exit 3", environment: ["WORD": "err"])
    #expect(outcome.status == 3)
    #expect(outcome.output == "out\n")
    #expect(outcome.errors == "err\n")
    #expect(!outcome.timedOut)
  }

  @Test func isDrainedOfMoreThanAPipeHoldsOnBothSides() async throws {
    let outcome = try await ChildProcess.shell("head -c 1000000 /dev/zero >&2; head -c 2000000 /dev/zero")
    #expect(outcome.outputBytes.count == 2_000_000)
    #expect(outcome.errorBytes.count == 1_000_000)
  }

  @Test func isKilledWithItsChildrenAtItsDeadline() async throws {
    let outcome = try await ChildProcess.shell("sleep 600 & echo $!; wait", timeout: 0.3)
    #expect(outcome.timedOut)
    #expect(outcome.status == 128 + SIGKILL)
    let sleeper = try #require(Int32(outcome.lines.first ?? ""))
    // Killed, though perhaps not reaped yet by init.
    let state = try? String(contentsOfFile: "/proc/\(sleeper)/stat", encoding: .utf8)
    #expect(state == nil || state?.contains(") Z ") == true || state?.contains(") X ") == true)
  }

  @Test func mayLeaveSomethingInTheBackgroundThatHoldsItsOutput() async throws {
    let outcome = try await ChildProcess.shell("sleep 5 & echo done", timeout: 30)
    #expect(outcome.output == "done\n")
    #expect(!outcome.timedOut)
    #expect(outcome.duration < .seconds(5))
  }

  @Test func receivesSignals() async throws {
    let child = try await ChildProcess.start("sleep", ["60"], timeout: 30)
    #expect(child.isRunning)
    child.send(SIGINT)
    #expect(await child.outcome().status == 128 + SIGINT)
  }

  @Test func thatCannotStartIsAnError() async {
    await #expect(throws: ChildProcess.SpawnFailure.self) {
      try await ChildProcess.run("/no/such/program")
    }
  }
}
