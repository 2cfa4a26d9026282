import Archives
import Budget
import FileSystem
import ResultCache
import Tasks

// What the middle rooms' failures mean to a filesystem. Each is one exhaustive switch, so that a new kind of failure
// does not compile before it has an errno.

extension FileSystemFailure {
  init(_ failure: SourceFailure) {
    let kind: Kind =
      switch failure.kind {
      case .noSuchTask: .notFound
      case .notCompleted: .notFound
      case .noResults: .noData
      case .insufficientBalance: .budgetExceeded
      case .accessDenied: .accessDenied
      case .timedOut: .timedOut
      case .unreachable: .unreachable
      case .rateLimited: .rateLimited
      case .badAnswer: .remoteError
      case .cancelled: .interrupted
      case .changed: .stale
      }
    self.init(kind, failure.reason)
  }

  init(_ failure: BudgetFailure) {
    switch failure {
    case .refused(let refusal):
      self.init(.budgetExceeded, "\(refusal.reason); \(refusal.remedy)")
    case .ledger(let reason):
      self.init(.inputOutput, reason)
    }
  }

  init(_ failure: CacheFailure) {
    let kind: Kind =
      switch failure.kind {
      case .noSpace: .noSpace
      case .damaged: .damaged
      case .pinned: .accessDenied
      // What the cache lacks is never reported as something that does not exist: only the API can say that.
      case .notFound: .inputOutput
      case .cancelled: .interrupted
      case .io, .tooNew: .inputOutput
      }
    self.init(kind, failure.reason)
  }

  init(_ failure: ArchiveFailure) {
    let kind: Kind =
      switch failure.kind {
      case .truncated, .badChecksum, .badStructure, .unsupportedMethod, .encrypted, .limitExceeded, .notAZip: .damaged
      case .io: .inputOutput
      }
    self.init(kind, failure.reason)
  }

  /// From what several rooms may throw together.
  init(any error: any Error) {
    switch error {
    case let failure as SourceFailure: self.init(failure)
    case let failure as CacheFailure: self.init(failure)
    case let failure as ArchiveFailure: self.init(failure)
    case let failure as BudgetFailure: self.init(failure)
    case let failure as FileSystemFailure: self = failure
    default: self.init(.inputOutput, "\(error)")
    }
  }

  /// From what the cache kept of an earlier failure.
  init(word: String, reason: String) {
    self.init(word == ArchiveFailure.permanentWord ? .damaged : Kind(rawValue: word) ?? .inputOutput, reason)
  }

  /// How the cache keeps this failure.
  var word: String { kind.rawValue }
}

extension ArchiveFailure {
  /// How the cache keeps the failure of a member that would fail again in every download.
  static let permanentWord = "unreadable"

  /// How the cache keeps this failure of one member. What came damaged may come whole the next time, and `tollfs fetch` asks
  /// for it; what is encrypted or of an unknown method is not worth another purchase.
  var memberWord: String {
    switch kind {
    case .truncated, .badChecksum, .badStructure, .notAZip, .io: CachedListing.damageWord
    case .unsupportedMethod, .encrypted, .limitExceeded: Self.permanentWord
    }
  }
}

extension CachedMember {
  /// Whether another download can bring what this one lacks.
  var isWorthFetching: Bool {
    switch state {
    case .stored: false
    // Nothing is nothing, wherever it is.
    case .evicted: size > .zero
    case .failed(_, let word): word == CachedListing.damageWord
    }
  }
}
