/// How a source hands out the results of a task.
public enum ResultDelivery: Hashable, Sendable {
  /// One zip archive as a stream that is paid for as a whole and can't be resumed.
  case stream
  /// A package behind an address that may be read at any place, as often as wanted.
  case package
}

/// What tells two states of a package apart. Bytes of different versions must never be joined.
public struct PackageVersion: Hashable, Sendable {
  /// The length of the whole package.
  public let size: ByteCount
  /// The store's strong ETag, else its Last-Modified, as it was written; where it gives neither, see ``isValidated``.
  public let validator: String?

  public init(size: ByteCount, validator: String?) {
    self.size = size
    self.validator = validator
  }
}

/// Which bytes of a package are asked for.
public enum PackageRange: Hashable, Sendable {
  /// So many bytes at the end; fewer where the package is shorter. More than none.
  case last(Int)
  /// Not empty.
  case bytes(Range<UInt64>)
  /// All of it, in one stream.
  case whole
}

/// What a store answers.
public struct PackageAnswer: Sendable {
  /// nil where the store does not say how long the package is, which only a whole one can be.
  public let version: PackageVersion?
  /// Where the first byte of ``stream`` stands in the package.
  public let offset: UInt64
  /// Whether the store ignored the range: then the stream is the whole package, whatever was asked.
  public let isWhole: Bool
  /// A name for the package as a file, from Content-Disposition or the address; one harmless path component.
  public let name: String?
  /// The bytes. A break is mended by asking for the rest, so that it ends early only in a failure; see
  /// ``TaskPackage/bytes(_:of:)``.
  public let stream: any ByteStream

  public init(version: PackageVersion?, offset: UInt64, isWhole: Bool, name: String?, stream: any ByteStream) {
    self.version = version
    self.offset = offset
    self.isWhole = isWhole
    self.name = name
    self.stream = stream
  }
}

/// The package of one task, behind an address that is renewed as needed. Any number of ranges may be asked for at once.
public protocol TaskPackage: AnyObject, Sendable {
  /// Asks for bytes, repeating with backoff what may pass: nothing here is charged by the request.
  ///
  /// - Parameter version: what the bytes must belong to; nil accepts any. A stream that had to be continued by a second request
  ///   is held to the version of its beginning in any case.
  /// - Throws: `.changed` when the package is another one by now, here and in the stream; else as ``TaskSource`` does.
  func bytes(_ range: PackageRange, of version: PackageVersion?) async throws(SourceFailure) -> PackageAnswer
}

extension PackageVersion {
  /// How the validator begins that a source makes up where the store gives none.
  public static let unvalidatedPrefix = "unvalidated-"

  /// Whether another package of the same size would show as another version.
  ///
  /// When not, the version is unlike any other, so that bytes of two addresses are never joined; and what is known of it is of
  /// no use to a later run.
  public var isValidated: Bool {
    validator.map { !$0.hasPrefix(Self.unvalidatedPrefix) } ?? false
  }
}
