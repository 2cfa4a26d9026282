import Archives
import Tasks

/// What the engine is told by the configuration, apart from sources and budget.
public struct EngineSettings: Sendable {
  /// How long two opens share one status answer.
  public var statusTimeToLive: Duration
  /// Process names that never cause a download.
  public var crawlers: [String]
  /// How names that do not say their charset are read.
  public var nameCharset: NameCharset

  public init(statusTimeToLive: Duration = .seconds(1), crawlers: [String] = [], nameCharset: NameCharset = .automatic)
  {
    self.statusTimeToLive = statusTimeToLive
    self.crawlers = crawlers
    self.nameCharset = nameCharset
  }

  /// - Parameter limit: what the cache can hold. An archive that unpacks to more is not unpacked further, whatever its
  ///   compressed size: that is what a decompression bomb comes to.
  func archiveOptions(spoolDirectory: String, limit: ByteCount) -> ArchiveOptions {
    ArchiveOptions(
      nameCharset: nameCharset, spoolDirectory: spoolDirectory,
      limits: ArchiveLimits(totalSize: limit, spoolSize: limit))
  }
}

/// A source as the configuration wants it used.
public struct ConfiguredSource: Sendable {
  public enum FetchMode: String, Hashable, Sendable {
    /// Opening what is not in the cache downloads it.
    case onAccess = "on_access"
    /// Only `tollfs fetch` downloads.
    case explicit
  }

  public let source: any TaskSource
  public let fetchMode: FetchMode
  /// Listed besides those that the user added.
  public let tasks: [TaskPath]

  public init(source: any TaskSource, fetchMode: FetchMode = .onAccess, tasks: [TaskPath] = []) {
    self.source = source
    self.fetchMode = fetchMode
    self.tasks = tasks
  }
}
