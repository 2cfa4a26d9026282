import Budget
import FileSystem
import FuseBridge
import Glibc
import Tasks

/// Why a command did not do what it was asked, and with which status it ends.
struct CommandFailure: Error, Hashable, Sendable, CustomStringConvertible {
  let status: ExitStatus
  /// For people; may have several lines. Empty when everything has been said.
  let message: String

  init(_ message: String, status: ExitStatus = .failed) {
    self.message = message
    self.status = status
  }

  init(_ failure: FileSystemFailure) {
    let reason = failure.reason.isEmpty ? String(cString: strerror(failure.errno)) : failure.reason
    self.init(reason, status: failure.kind == .budgetExceeded ? .refusedByBudget : .failed)
  }

  init(_ failure: BudgetFailure) {
    if case .refused = failure {
      self.init(failure.description, status: .refusedByBudget)
    } else {
      self.init(failure.description)
    }
  }

  init(_ failure: ConfigurationFailure) { self.init(failure.description) }

  init(_ failure: ProcessFailure) { self.init(failure.description) }

  /// A task or an amount on the command line that makes no sense.
  init(_ failure: UnreadableValue) { self.init(failure.message, status: .wrongUsage) }

  /// A wrong `-o` is wrong usage; everything else is the machine's state.
  init(_ failure: FuseFailure) {
    switch failure {
    case .unknownOption, .refusedOption, .invalidOption: self.init(failure.description, status: .wrongUsage)
    default: self.init(failure.description)
    }
  }

  var description: String { message }
}
