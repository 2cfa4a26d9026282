import Tasks

/// What a check of all of a task's cached bytes found.
public struct VerificationReport: Hashable, Sendable {
  /// A file whose bytes are not right.
  public struct Finding: Hashable, Sendable {
    /// Names from the top of the results down.
    public let path: [String]
    /// One line for people.
    public let reason: String

    public init(path: [String], reason: String) {
      self.path = path
      self.reason = reason
    }
  }

  /// Files that were read and are right.
  public var files = 0
  /// Their bytes.
  public var bytes = ByteCount.zero
  /// Files that are listed and not in the cache, or not all of them, which is no damage.
  public var evicted = 0
  /// Bytes of such files that were not right and are free to fetch: they were dropped, and are fetched again when somebody
  /// wants them.
  public var dropped = ByteCount.zero
  /// Changed or lost on the disk; opening them fails from now on, until they are fetched again.
  public var damaged: [Finding] = []
  /// Nobody can say: they could not be read, or somebody changes them at this moment.
  public var unreadable: [Finding] = []

  public init() {}
}

/// How far a check has come.
public struct VerificationProgress: Hashable, Sendable {
  public var checked = ByteCount.zero
  public var total: ByteCount
  /// Files that are done.
  public var files = 0

  public init(total: ByteCount) {
    self.total = total
  }
}
