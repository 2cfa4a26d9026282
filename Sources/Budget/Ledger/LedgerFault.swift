import Foundation
import GRDB

/// Turns what can go wrong with the ledger's file into one line that names the file and the mend.
enum LedgerFault {
  static func failure(_ error: any Error, path: String) -> BudgetFailure {
    switch error {
    case let failure as BudgetFailure: failure
    case let error as DatabaseError: .ledger(reason: "\(path): \(explanation(of: error))")
    case let impossible as ImpossibleEvent: .ledger(reason: "\(path): \(impossible.reason)")
    case let damaged as DamagedRow: .ledger(reason: "\(path): row \(damaged.id) of \(damaged.table) \(damagedMend)")
    default: .ledger(reason: "\(path): \(error)")
    }
  }

  static func damaged(_ path: String, _ what: String) -> BudgetFailure {
    .ledger(reason: "\(path): \(what) \(damagedMend)")
  }

  static func system(_ path: String, _ what: String, _ number: Int32) -> BudgetFailure {
    .ledger(reason: "\(path): \(what): \(String(cString: strerror(number)))")
  }

  private static let damagedMend = """
    is damaged; put back a copy of the ledger, or move it away together with its -wal and -shm files, \
    knowing that everything spent so far is then forgotten
    """

  private static func explanation(of error: DatabaseError) -> String {
    let said = error.message ?? "SQLite error \(error.extendedResultCode.rawValue)"
    switch error.resultCode {
    case .SQLITE_FULL: return "the disk is full; make room on it (\(said))"
    case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
      return "can't be written; make it and its directory writable for this user (\(said))"
    case .SQLITE_CANTOPEN: return "can't be opened; check its directory's permissions and free space (\(said))"
    case .SQLITE_CORRUPT, .SQLITE_NOTADB: return "the ledger \(damagedMend) (\(said))"
    case .SQLITE_BUSY, .SQLITE_LOCKED:
      return "another process has kept it locked for \(LedgerStore.patience) seconds; end that process (\(said))"
    case .SQLITE_IOERR: return "the disk reports an error; check it and its free space (\(said))"
    default: return said
    }
  }
}
