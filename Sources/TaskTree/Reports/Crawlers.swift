import FileSystem
import Glibc
import Tasks

/// Which processes are indexers and thumbnailers, and who a process is.
struct Crawlers: Sendable {
  /// Linux keeps 15 bytes of a process name (TASK_COMM_LEN, proc(5)).
  private static let nameLength = 15

  private let names: Set<String>

  init(names: [String]) {
    self.names = Set(names.map { String($0.utf8.prefix(Self.nameLength)) ?? $0 })
  }

  func contains(_ requester: Requester) -> Bool {
    names.contains(requester.command)
  }
}

extension Requester {
  /// Who made a system call. FUSE passes the thread; the ledger and the crawler list speak of processes.
  init(_ caller: Caller) {
    let process = Self.field("Tgid", ofThread: caller.processID).flatMap { Int32($0) } ?? caller.processID
    var command = Self.contents(of: "/proc/\(process)/comm") ?? ""
    if command.last == "\n" { command.removeLast() }
    self.init(userID: caller.userID, processID: process, command: command)
  }

  private static func field(_ name: String, ofThread thread: Int32) -> String? {
    guard let status = contents(of: "/proc/\(thread)/status") else { return nil }
    for line in status.split(separator: "\n") where line.hasPrefix(name + ":") {
      return line.dropFirst(name.count + 1).trimmingPrefix { $0 == "\t" || $0 == " " }.description
    }
    return nil
  }

  /// Files of procfs are made on the spot by the kernel: reading one does not wait for anything.
  private static func contents(of path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    // /proc/PID/status is about 1.5 kB, and Tgid is among its first lines.
    return withUnsafeTemporaryAllocation(byteCount: 4_096, alignment: 1) { buffer in
      let count = read(descriptor, buffer.baseAddress, buffer.count)
      guard count > 0 else { return nil }
      return String(decoding: buffer[..<count], as: UTF8.self)
    }
  }
}
