import Foundation
import Tasks
import TestSupport
import Testing

@testable import Budget

/// How many attempts of one opener got their reservation.
private func reserveMany(_ ledger: Ledger, attempts: Range<Int>, caps: BudgetCaps) async -> Int {
  await withTaskGroup(of: Result<Bool, any Error>.self) { group in
    for attempt in attempts {
      group.addTask {
        do {
          let request = request("t\(attempt)", microDollars: 10)
          return .success(try await refusal { _ = try await ledger.reserve(request, caps: caps) } == nil)
        } catch {
          return .failure(error)
        }
      }
    }
    var count = 0
    for await result in group {
      switch result {
      case .success(let isReserved): count += isReserved ? 1 : 0
      case .failure(let error): Issue.record(error)
      }
    }
    return count
  }
}

@Suite("Many at once")
struct LedgerConcurrencyTests {
  @Test("48 reservers over three openers of one ledger, a budget for 17: exactly 17 get it")
  func openers() async throws {
    let directory = try TemporaryDirectory("openers")
    let caps = BudgetCaps(total: .micro(179))
    let counts = try await withThrowingTaskGroup(of: Int.self) { group in
      for opener in 0..<3 {
        group.addTask {
          let ledger = try await Ledger(stateDirectory: directory.path)
          return await reserveMany(ledger, attempts: opener * 16..<opener * 16 + 16, caps: caps)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(counts.reduce(0, +) == 17)
    let ledger = try await Ledger(stateDirectory: directory.path)
    let purchases = try await ledger.purchases()
    #expect(purchases.map(\.id) == Array(1...17))
    #expect(Set(purchases.map(\.task)).count == 17)
    #expect(try await ledger.audit() == [])
  }

  @Test("32 processes that make the ledger together, a budget for 21: exactly 21 get it")
  func processes() async throws {
    let directory = try TemporaryDirectory("processes")
    let path = directory.path
    await withTaskGroup(of: Void.self) { group in
      for process in 0..<32 {
        group.addTask {
          await #expect(processExitsWith: .success) { [path = path as String, process = process as Int] in
            let ledger = try await Ledger(stateDirectory: path)
            let caps = BudgetCaps(daily: .micro(219))
            let count = await reserveMany(ledger, attempts: process * 4..<process * 4 + 4, caps: caps)
            try Data("\(count)".utf8).write(to: URL(fileURLWithPath: "\(path)/count-\(process)"))
          }
        }
      }
    }
    let counts = try (0..<32).map { process in
      try Int(String(contentsOfFile: directory.file("count-\(process)"), encoding: .utf8)) ?? -1
    }
    #expect(counts.reduce(0, +) == 21)
    let ledger = try await Ledger(stateDirectory: path)
    let purchases = try await ledger.purchases()
    #expect(purchases.count == 21)
    // Their processes have ended without settling.
    #expect(purchases.allSatisfy { $0.state == .unsettled && $0.charge == .micro(10) })
    #expect(try await ledger.audit() == [])
  }

  @Test("What a process was told before kill -9 is in the ledger, and counts", arguments: [3, 40, 150, 400])
  func killed(milliseconds: Int) async throws {
    let directory = try TemporaryDirectory("killed")
    let path = directory.path
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, milliseconds = milliseconds as Int] in
      let ledger = try await Ledger(stateDirectory: path)
      let told = FileHandle(fileDescriptor: open("\(path)/told", O_CREAT | O_WRONLY | O_APPEND, 0o600))
      Thread.detachNewThread {
        Thread.sleep(forTimeInterval: Double(milliseconds) / 1_000)
        kill(getpid(), SIGKILL)
      }
      while true {
        let reservation = try await ledger.reserve(
          request("a", microDollars: 10), caps: BudgetCaps(perOpen: .micro(10)))
        try told.write(contentsOf: Data("\(reservation.id)\n".utf8))
        if reservation.id % 3 == 0 { try await ledger.settle(reservation.id, bytes: ByteCount(1), cost: .micro(7)) }
      }
    }
    let told = (try? String(contentsOfFile: directory.file("told"), encoding: .utf8)) ?? ""
    let last = told.split(separator: "\n").last.flatMap { Int($0) } ?? 0
    let ledger = try await Ledger(stateDirectory: path)
    let purchases = try await ledger.purchases()
    // At most the one whose reservation was under way is there without having been told.
    #expect(purchases.count == last || purchases.count == last + 1)
    #expect(purchases.allSatisfy { $0.state == .settled ? $0.charge == .micro(7) : $0.charge == .micro(10) })
    #expect(purchases.allSatisfy { $0.state != .reserved })
    #expect(try await ledger.audit() == [])
  }
}
