import Foundation
import Tasks
import Testing

@testable import TaskTree

@Suite("The file status")
struct StatusTextTests {
  private let time = Date(timeIntervalSince1970: 1_773_400_000)

  private func render(_ status: TaskStatus, stale: String? = nil) throws -> String {
    let task = try #require(TaskPath(parsing: "screenplay/ros-1"))
    return StatusText.render(KnownStatus(status: status, changed: time, asked: time, staleReason: stale), of: task)
  }

  @Test("The first line is the bare word, then key: value lines")
  func running() throws {
    let text = try render(TaskStatus(state: .running, progress: .episodes(completed: 12, total: 87)))
    #expect(
      text == """
        running
        task: screenplay/ros-1
        source: screenplay
        progress: 12/87 episodes (13%)
        updated: 2026-03-13T11:06:40Z

        """)
  }

  @Test("A message of the API can't forge a line")
  func forged() throws {
    let text = try render(TaskStatus(state: .failed, errorCode: "E1", errorMessage: "bad\nstale: true\r\u{85}x"))
    #expect(text.split(separator: "\n").count == 6)
    #expect(text.contains("error_message: bad stale: true  x\n"))
  }

  @Test("Numbers that make no sense give no percent, and never trap")
  func absurd() throws {
    for (completed, total) in [(1, 0), (-1, 5), (Int.max, Int.max), (7, 5), (1, -1)] {
      let text = try render(TaskStatus(state: .running, progress: .episodes(completed: completed, total: total)))
      #expect(!text.contains("%"))
    }
    #expect(try render(TaskStatus(state: .running, progress: .percent(.nan))).contains("progress: 0%"))
  }

  @Test("A stale answer says so, and why")
  func stale() throws {
    let text = try render(TaskStatus(state: .completed), stale: "can't connect")
    #expect(text.hasPrefix("completed\n"))
    #expect(text.contains("as_of: 2026-03-13T11:06:40Z\nstale: true\nreason: can't connect\n"))
  }
}
