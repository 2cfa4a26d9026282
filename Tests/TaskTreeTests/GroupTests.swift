import FileSystem
import Foundation
import Logging
import Synchronization
import Tasks
import TestSupport
import Testing

@testable import TaskTree

@Suite("Groups of tasks")
struct GroupTests {
  private func names(_ entries: [(String, String?)]) -> [NameLinks.Link] {
    NameLinks(entries.map { TaskListing(id: $0.0, name: $0.1) }).links
  }

  @Test("Names become file names; those that are not unique get their ids")
  func links() {
    #expect(names([("a", "North"), ("b", nil), ("c", "")]) == [NameLinks.Link(name: "North", id: "a")])
    #expect(names([("a", "North"), ("b", "North")]).map(\.name) == ["North (a)", "North (b)"])
    #expect(
      names([("a", "x/y\n"), ("b", ".."), ("c", ".hidden"), ("d", "  ")]).map(\.name) == ["x_y_", "_.", "_hidden"])
    let long = names([("a", String(repeating: "ü", count: 300)), ("b", String(repeating: "ü", count: 300))])
    #expect(long.count == 2 && long.allSatisfy { $0.name.utf8.count <= 255 && $0.name.hasSuffix("(\($0.id))") })
    // Two spellings of one character are two names.
    #expect(names([("a", "caf\u{e9}"), ("b", "cafe\u{301}")]).count == 2)
  }

  @Test("Ids that can't be directories, and ids that come twice, are left out")
  func entries() {
    let listing = GroupListing([
      TaskListing(id: "a"), TaskListing(id: "a/b"), TaskListing(id: ".x"), TaskListing(id: "a", name: "again"),
    ])
    #expect(listing.entries.map(\.id) == ["a"])
    #expect(listing.entry("a")?.name == nil && listing.entry("b") == nil)
  }

  /// Answers when it is told to.
  private final class SlowSource: TaskSource {
    let name: SourceName
    let taskDepth = 3
    let canList = true
    let price = PricePerGigabyte.free
    let calls = Mutex(0)
    private let gate = Watched(false)
    private let failure: SourceFailure?

    init(_ name: SourceName, failure: SourceFailure? = nil) {
      self.name = name
      self.failure = failure
    }

    func open() { gate.update { $0 = true } }

    func children(of group: [String]) async throws(SourceFailure) -> [TaskListing] {
      calls.withLock { $0 += 1 }
      do {
        _ = try await gate.wait { $0 ? true : nil }
      } catch {
        throw SourceFailure(.cancelled, "cancelled")
      }
      if let failure { throw failure }
      return [TaskListing(id: "t", name: "T", status: TaskStatus(state: .completed))]
    }

    func status(of task: TaskPath) async throws(SourceFailure) -> TaskStatus { TaskStatus(state: .running) }
  }

  private func board(_ directory: TemporaryDirectory) async throws -> (GroupBoard, StatusBoard) {
    let registry = try await TaskRegistry(stateDirectory: directory.path)
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let statuses = StatusBoard(registry: registry, timeToLive: .seconds(60), metrics: Metrics(), logger: logger)
    return (GroupBoard(statuses: statuses, metrics: Metrics()), statuses)
  }

  @Test("Everybody who lists at the same moment shares one call, and statuses that came along are known")
  func sharing() async throws {
    let directory = try TemporaryDirectory("groups")
    let (board, statuses) = try await board(directory)
    let source = SlowSource(try #require(SourceName("pixxel")))
    let group = TaskGroup(source: source.name, ids: ["w", "j"])
    let readers = (0..<20).map { _ in Task { try await board.listing(of: group, from: source).entries.count } }
    // One gives up; the others are not disturbed.
    readers[3].cancel()
    source.open()
    for (number, reader) in readers.enumerated() where number != 3 { #expect(try await reader.value == 1) }
    #expect(source.calls.withLock { $0 } == 1)
    let task = try #require(TaskPath(source: source.name, ids: ["w", "j", "t"]))
    #expect(try await statuses.live(task, from: source).status.state == .completed)
    // A final status is kept for the next mount.
    let (_, later) = try await self.board(directory)
    #expect(try await later.remembered(task)?.status.state == .completed)
  }

  @Test("A failure is told to everybody, and never as an empty listing")
  func failing() async throws {
    let directory = try TemporaryDirectory("groups")
    let (board, _) = try await board(directory)
    let source = SlowSource(
      try #require(SourceName("pixxel")), failure: SourceFailure(.unreachable, "no network"))
    source.open()
    let group = TaskGroup(source: source.name, ids: [])
    for _ in 0..<3 {
      await #expect(throws: FileSystemFailure.self) { _ = try await board.listing(of: group, from: source) }
    }
    #expect(source.calls.withLock { $0 } == 1)
    #expect(board.remembered(group) == nil)
  }
}
