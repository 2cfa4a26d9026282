import Foundation
import Logging
import Tasks
import TestSupport
import Testing

@testable import tollfs

@Suite struct MountInfoTests {
  static let text = """
    22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
    30 22 0:25 / /home/user/my\\040tasks ro,nosuid shared:5 master:2 - fuse.tollfs tollfs rw,user_id=0
    31 22 0:26 / /mnt rw - fuse.other x rw
    32 22 0:27 / /mnt ro - fuse.tollfs tollfs ro
    a broken line
    """

  @Test func mountsAreReadWithOptionalFieldsAndEscapes() {
    let info = MountInfo(parsing: Self.text)
    #expect(info.mounts.count == 4)
    #expect(info.ownMountpoints == ["/home/user/my tasks", "/mnt"])
    #expect(info.top(at: "/mnt")?.type == "fuse.tollfs")
    #expect(info.top(at: "/")?.device == "254:0")
    #expect(info.top(at: "/nowhere") == nil)
  }

  @Test func theRealTableHasARoot() {
    #expect(MountInfo.current().top(at: "/") != nil)
  }
}

@Suite struct TaskReferenceTests {
  private func reference(from directory: String = "/home/user") throws -> TaskReference {
    let screenplay = try #require(SourceName("screenplay"))
    let pixxel = try #require(SourceName("pixxel"))
    let links = ["/home/user/t": "tasks", "/home/user/out": "/", "/loop": "loop", "/abs": "/home/user/t/screenplay"]
    let walk = PathWalk(mountpoints: ["/home/user/tasks", "/mnt"]) { path in
      // A mount is never touched: its daemon may be dead.
      #expect(!path.hasPrefix("/home/user/tasks") && !path.hasPrefix("/mnt"), "touched \(path)")
      return links[path]
    }
    return TaskReference(depths: [screenplay: 1, pixxel: 3], walk: walk, workingDirectory: directory)
  }

  @Test(arguments: [
    ("screenplay/a", "screenplay/a"),
    ("screenplay/a/", "screenplay/a"),
    ("screenplay/a/status", "screenplay/a"),
    ("screenplay/a/results/x/y.json", "screenplay/a"),
    ("pixxel/w/j/t", "pixxel/w/j/t"),
    ("pixxel/w/j/t/cost", "pixxel/w/j/t"),
    ("/home/user/tasks/screenplay/a", "screenplay/a"),
    ("/home/user/t/screenplay/a/results", "screenplay/a"),
    ("tasks/screenplay/a", "screenplay/a"),
    ("./tasks/../t//screenplay/./a", "screenplay/a"),
    ("out/mnt/pixxel/w/j/t", "pixxel/w/j/t"),
    ("/abs/a", "screenplay/a"),
    ("/mnt/screenplay/b/../a", "screenplay/a"),
  ])
  func whatNamesATask(text: String, expected: String) throws {
    #expect(try reference().task(text).description == expected)
  }

  @Test func relativeToADirectoryInsideTheMount() throws {
    #expect(try reference(from: "/home/user/tasks/screenplay").task("a").description == "screenplay/a")
    #expect(try reference(from: "/home/user/tasks/screenplay").task("./a/status").description == "screenplay/a")
    #expect(try reference(from: "/home/user/tasks/screenplay/a/results").task("..").description == "screenplay/a")
    #expect(try reference(from: "/home/user/tasks/screenplay").task("screenplay/b").description == "screenplay/b")
  }

  @Test(arguments: [
    ("", "names no task"), ("screenplay", "write screenplay/ID"), ("pixxel/w/j", "write pixxel/ID/ID/ID"),
    ("other/a", "SOURCE is one of the configuration (pixxel, screenplay)"), ("/etc/passwd", "not below a mountpoint"),
    ("screenplay/a/b", "not part of one"), ("screenplay/a/status/x", "not part of one"),
    ("screenplay/.a", "starts with a dot"), ("/mnt", "no source"), ("/mnt/.tollfs/budget", "no source"),
    ("/loop/x", "not below a mountpoint"),
  ])
  func whatDoesNot(text: String, mention: String) throws {
    let reference = try reference()
    let error = #expect(throws: UnreadableValue.self) { try reference.task(text) }
    #expect(error?.message.contains(mention) == true, "\(error?.message ?? "")")
  }
}

@Suite struct ReadinessTests {
  @Test(arguments: [
    ReadinessMessage.ready, .failed(.failed, "no\nmount"), .failed(.refusedByBudget, ""), .failed(.wrongUsage, "x"),
  ])
  func messagesSurviveTheirBytes(message: ReadinessMessage) {
    #expect(ReadinessMessage(bytes: message.bytes) == message)
  }

  @Test(arguments: ["", "read", "ready", "failed", "failed 1", "failed x\n", "failed 77\n", "other\n"])
  func whatIsCutOffIsNoMessage(text: String) {
    #expect(ReadinessMessage(bytes: Array(text.utf8)) == nil)
  }

  @Test func theFirstReportCountsAndEndsTheConversation() async throws {
    let ends = try pipeEnds()
    let report = ReadinessReport(descriptor: ends.writer)
    #expect(report.isAwaited)
    #expect(report.send(.failed(.failed, "first")))
    #expect(report.send(.ready))
    #expect(!report.isAwaited)
    let bytes = try #require(try FileHandle(fileDescriptor: ends.reader, closeOnDealloc: true).readToEnd())
    #expect(ReadinessMessage(bytes: Array(bytes)) == .failed(.failed, "first"))
  }

  @Test func aReporterLearnsThatNobodyWaits() throws {
    Signals.ignoreBrokenPipes()
    let ends = try pipeEnds()
    close(ends.reader)
    #expect(!ReadinessReport(descriptor: ends.writer).send(.ready))
  }

  @Test func endingsInWords() {
    #expect(BackgroundStart.ending(0x0100) == "exit status 1")
    #expect(BackgroundStart.ending(SIGSEGV) == "signal 11")
  }

  private func pipeEnds() throws -> (reader: Int32, writer: Int32) {
    var ends: [Int32] = [-1, -1]
    try #require(pipe(&ends) == 0)
    return (ends[0], ends[1])
  }
}

@Suite struct MountRecordTests {
  @Test func theEndOfAProcessIsWaitedFor() throws {
    let directory = try TemporaryDirectory("record")
    // A child that another test is just starting has a copy of the lock for a moment, until it executes its program: what is
    // to be free may take a while, and the patience only ends a test that has failed.
    func isOver(at mountpoint: String, patience: Duration = .seconds(30)) -> Bool {
      MountRecord.waitForEnd(stateDirectory: directory.path, mountpoint: mountpoint, deadline: .now + patience)
    }
    func take() -> MountRecord? { MountRecord.take(stateDirectory: directory.path, mountpoint: "/m") }
    var record = take()
    #expect(record != nil)
    #expect(!isOver(at: "/m", patience: .zero))
    #expect(isOver(at: "/other"))
    #expect(take() == nil)
    // A second taker that failed leaves the first one's record alone.
    #expect(!isOver(at: "/m", patience: .zero))
    record = nil
    #expect(isOver(at: "/m"))
  }
}

@Suite struct MountHolderTests {
  @Test func aProcessThatHoldsADirectoryIsNamed() async throws {
    let directory = try TemporaryDirectory("holders")
    let child = try await ChildProcess.start("sleep", ["60"], directory: directory.path)
    defer { child.send(SIGKILL) }
    let holders = await BlockingCall.run { MountHolders.holding(directory.path) }
    #expect(holders.contains(MountHolder(pid: child.processID, command: "sleep", holds: "cwd")))
    let file = directory.file("held")
    #expect(FileManager.default.createFile(atPath: file, contents: nil))
    let reader = try await ChildProcess.shell("sleep 60 < \(file) > /dev/null 2>&1 & echo $!")
    let process = try #require(Int32(reader.lines.first ?? ""))
    defer { kill(process, SIGKILL) }
    let found = await BlockingCall.run { MountHolders.holding(directory.path) }
    #expect(found.contains { $0.pid == process && $0.holds == file })
    #expect(await BlockingCall.run { MountHolders.holding(directory.path + "x") }.isEmpty)
  }
}

@Suite struct LogTests {
  @Test func aLineHasTimeLevelMessageAndMetadata() {
    let line = LogLine.render(
      seconds: 1_773_394_200, milliseconds: 7, level: .warning, message: "slow",
      metadata: ["task": "screenplay/a", "reason": "no \"answer\"", "empty": ""])
    #expect(
      line == "2026-03-13T09:30:00.007Z warning slow empty=\"\" reason=\"no \\\"answer\\\"\" task=screenplay/a\n")
  }

  @Test func nothingLoggedBeginsAnotherLineOrMovesTheCursor() {
    let line = LogLine.render(
      seconds: 0, milliseconds: 0, level: .info, message: "a\nb", metadata: ["name": "\u{1b}[2Jx\r\u{2028}"])
    #expect(line.utf8.filter { $0 == UInt8(ascii: "\n") }.count == 1)
    #expect(!line.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
    #expect(line.contains("a\\nb") && line.contains("\\u{1b}[2Jx"))
  }

  @Test func aFullLogIsMovedAsideOnce() throws {
    let directory = try TemporaryDirectory("log")
    let path = directory.file("tollfs.log")
    let destination = try LogDestination(appendingTo: path, limit: 100)
    let other = try LogDestination(appendingTo: path, limit: 100)
    for number in 0..<9 { destination.write("line number \(number), twenty\n") }
    other.write("from another process\n")
    let now = try String(contentsOfFile: path, encoding: .utf8)
    let before = try String(contentsOfFile: path + ".1", encoding: .utf8)
    #expect(now.utf8.count <= 100 && before.utf8.count <= 100)
    #expect((before + now).contains("line number 8"))
    #expect((before + now).contains("from another process"))
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
  }

  @Test func theLevelIsObeyed() throws {
    let directory = try TemporaryDirectory("log")
    let logger = Logger.tollfs(try LogDestination(appendingTo: directory.file("l")), level: .notice)
    logger.info("unheard")
    logger.notice("heard", metadata: ["a": "b"])
    let text = try String(contentsOfFile: directory.file("l"), encoding: .utf8)
    #expect(text.hasSuffix(" notice heard a=b\n"))
    #expect(!text.contains("unheard"))
  }
}
