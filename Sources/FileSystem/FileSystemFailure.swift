import Glibc

/// Why an operation failed, for the kernel (its errno) and for people (its reason).
public struct FileSystemFailure: Error, Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable, CaseIterable {
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

  /// Its symbol, for people.
  public var errnoName: String { kind.errnoName }
}

extension FileSystemFailure.Kind {
  public var errno: Int32 { code.number }

  /// The errno's symbol, as strace shows it.
  public var errnoName: String { code.name }

  /// The one table from failures to errno.
  private var code: (number: Int32, name: String) {
    switch self {
    case .budgetExceeded: (EDQUOT, "EDQUOT")
    case .accessDenied: (EACCES, "EACCES")
    case .notFound: (ENOENT, "ENOENT")
    case .timedOut: (ETIMEDOUT, "ETIMEDOUT")
    case .unreachable: (EHOSTUNREACH, "EHOSTUNREACH")
    case .rateLimited: (EBUSY, "EBUSY")
    case .remoteError: (EREMOTEIO, "EREMOTEIO")
    case .damaged: (EBADMSG, "EBADMSG")
    case .noData: (ENODATA, "ENODATA")
    case .stale: (ESTALE, "ESTALE")
    case .noSpace: (ENOSPC, "ENOSPC")
    case .interrupted: (EINTR, "EINTR")
    case .readOnly: (EROFS, "EROFS")
    case .notADirectory: (ENOTDIR, "ENOTDIR")
    case .isADirectory: (EISDIR, "EISDIR")
    case .noAttribute: (ENODATA, "ENODATA")
    case .notSupported: (EOPNOTSUPP, "EOPNOTSUPP")
    case .invalidArgument: (EINVAL, "EINVAL")
    case .badHandle: (EBADF, "EBADF")
    case .inputOutput: (EIO, "EIO")
    }
  }
}
