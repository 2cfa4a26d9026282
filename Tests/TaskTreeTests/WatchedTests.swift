import FileSystem
import Testing

@testable import TaskTree

@Suite("Waiting for a value", .timeLimit(.minutes(1)))
struct WatchedTests {
  @Test("Waiters see every change until their condition holds")
  func waits() async throws {
    let watched = Watched(0)
    async let reached = watched.wait { $0 >= 100 ? $0 : nil }
    for _ in 0..<100 {
      watched.update { $0 += 1 }
      await Task.yield()
    }
    #expect(try await reached == 100)
  }

  @Test("A cancelled waiter leaves at once and disturbs nobody")
  func cancels() async throws {
    let flight = Flight<Int>()
    let patient = Task { try await flight.value() }
    let hasty = (0..<50).map { _ in Task { try await flight.value() } }
    for task in hasty { task.cancel() }
    for task in hasty {
      let result = await task.result
      #expect(throws: FileSystemFailure(.interrupted)) { try result.get() }
    }
    flight.land(.success(7))
    flight.land(.success(8))
    #expect(try await patient.value == 7)
  }

  @Test("Work on a thread of its own goes on while every cooperative thread waits")
  func blocking() async throws {
    let executor = try BlockingExecutor.started()
    let sum = await Task(executorPreference: executor) { (1...1_000).reduce(0, +) }.value
    #expect(sum == 500_500)
  }
}
