/// How the program ends. See INTERFACE: "Commands".
enum ExitStatus: Int32, Sendable {
  case done = 0
  case failed = 1
  case refusedByBudget = 3
  /// EX_USAGE of sysexits.h.
  case wrongUsage = 64
}
