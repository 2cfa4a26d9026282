import Glibc

/// Why an operation failed, for the kernel (its errno) and for people (its reason).
public struct FileSystemFailure: Error, Hashable, Sendable {
  public enum Kind: Hashable, Sendable, CaseIterable {
    /// A cap would be exceeded, or the provider says "Insufficient balance".
    case budgetExceeded
    /// The key is missing or refused, a crawler asked, or the source is `fetch: explicit`.
    case accessDenied
    /// Confirmed not to exist.
    case notFound
    case timedOut
    case unreachable
    case rateLimited
    case remoteError
    /// An archive, or cached bytes, are damaged.
    case damaged
    /// The task has no result data.
    case noData
    /// A package changed between two requests.
    case stale
    case noSpace
    case interrupted
    case readOnly
    case notADirectory
    case isADirectory
    case noAttribute
    case notSupported
    case invalidArgument
    case badHandle
    case tooManyOpenFiles
    /// Nothing better can be said: a fault of this program or of the local disk.
    case inputOutput
  }

  public let kind: Kind
  /// One line for people; empty where the errno says everything. Holds no secret.
  public let reason: String

  public init(_ kind: Kind, _ reason: String = "") {
    self.kind = kind
    self.reason = reason
  }

  /// The errno that the program on the other side sees.
  public var errno: Int32 { kind.errno }
}

extension FileSystemFailure.Kind {
  /// The one table from failures to errno.
  public var errno: Int32 {
    switch self {
    case .budgetExceeded: EDQUOT
    case .accessDenied: EACCES
    case .notFound: ENOENT
    case .timedOut: ETIMEDOUT
    case .unreachable: EHOSTUNREACH
    case .rateLimited: EBUSY
    case .remoteError: EREMOTEIO
    case .damaged: EBADMSG
    case .noData: ENODATA
    case .stale: ESTALE
    case .noSpace: ENOSPC
    case .interrupted: EINTR
    case .readOnly: EROFS
    case .notADirectory: ENOTDIR
    case .isADirectory: EISDIR
    case .noAttribute: ENODATA
    case .notSupported: EOPNOTSUPP
    case .invalidArgument: EINVAL
    case .badHandle: EBADF
    case .tooManyOpenFiles: ENFILE
    case .inputOutput: EIO
    }
  }
}
