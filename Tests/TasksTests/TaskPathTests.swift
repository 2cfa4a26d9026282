import Tasks
import Testing

@Suite("Task paths and states")
struct TaskPathTests {
  @Test("A path is a source and its ids")
  func parses() throws {
    let path = try #require(TaskPath(parsing: "screenplay/ros-sd-20260313-a3f8c2b1"))
    #expect(path.source.text == "screenplay")
    #expect(path.id == "ros-sd-20260313-a3f8c2b1")
    #expect(path.description == "screenplay/ros-sd-20260313-a3f8c2b1")
    #expect(TaskPath(parsing: "pixxel/w/j/t/")?.ids == ["w", "j", "t"])
  }

  @Test(
    "What can't be one harmless directory name is refused",
    arguments: [
      "screenplay", "screenplay/.hidden", "screenplay/a\u{1}b", "screenplay/..", "", "/",
      "screenplay/" + String(repeating: "x", count: 256),
    ])
  func refuses(text: String) {
    #expect(TaskPath(parsing: text) == nil)
  }

  @Test("State words are compared without regard to case, unknown ones are kept and never final")
  func states() {
    #expect(TaskState(word: "Completed") == .completed)
    #expect(TaskState(word: "QUEUED") == .other("QUEUED"))
    #expect(TaskState(word: "QUEUED").isFinal == false)
    for state in [TaskState.completed, .failed, .cancelled] { #expect(state.isFinal) }
  }
}
