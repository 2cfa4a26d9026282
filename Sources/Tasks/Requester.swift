/// Who asked for something that may cost money: the process on the other side of the kernel, or the command itself.
public struct Requester: Hashable, Sendable {
  public let userID: UInt32
  public let processID: Int32
  /// The short command name, as in `/proc/PID/comm`; empty when it can't be known any more.
  public let command: String

  public init(userID: UInt32, processID: Int32, command: String) {
    self.userID = userID
    self.processID = processID
    self.command = command
  }
}
