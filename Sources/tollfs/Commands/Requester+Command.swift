import Glibc
import Tasks

extension Requester {
  /// This very command, as the ledger shall name it.
  static var thisCommand: Requester {
    var command = ProcFile.text("/proc/self/comm") ?? "tollfs"
    if command.last == "\n" { command.removeLast() }
    return Requester(userID: getuid(), processID: getpid(), command: command)
  }
}
