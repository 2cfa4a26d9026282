import Archives
import Budget
import FileSystem
import Foundation
import Glibc
import Logging
import Providers
import ResultCache
import TaskTree
import Tasks

/// The whole machine, put together from a configuration: the one place that knows how.
final class Assembly: Sendable {
  let configuration: Configuration
  let engine: TaskEngine
  let connections: HTTPConnections
  let logger: Logger

  /// Opens ledger, cache and task list, making what is not there. Asks no API.
  init(_ configuration: Configuration, logger: Logger) async throws(CommandFailure) {
    try await Self.prepareStateDirectory(configuration)
    self.configuration = configuration
    self.logger = logger
    let serverTime = ServerTime()
    let ledger = try await Self.openLedger(configuration, logger, vouchedTime: { serverTime.now() })
    let cache = try await Self.openCache(configuration, logger)
    let connections = HTTPConnections(network: configuration.network, serverTime: serverTime, logger: logger)
    self.connections = connections
    let settings = EngineSettings(
      statusTimeToLive: configuration.mount.statusLifetime, crawlers: configuration.crawlers,
      nameCharset: configuration.mount.nameCharset)
    do throws(FileSystemFailure) {
      let registry = try await TaskRegistry(stateDirectory: configuration.stateDirectory)
      engine = try TaskEngine(
        sources: configuration.sources.map { Self.source($0, configuration.network, connections, logger) },
        caps: configuration.budget, ledger: ledger, cache: cache, registry: registry, settings: settings,
        logger: logger)
    } catch {
      await connections.shutdown()
      throw CommandFailure(error)
    }
  }

  /// Ends: downloads that run may end within `grace`, then they are broken off and what arrived is kept.
  func shutdown(grace: Duration) async {
    await engine.shutdown(grace: grace)
    await connections.shutdown()
  }

  // MARK: Parts

  private static func source(
    _ source: SourceConfiguration, _ network: NetworkSettings, _ connections: HTTPConnections, _ logger: Logger
  ) -> ConfiguredSource {
    let settings = SourceSettings(
      name: source.name, endpoint: source.endpoint, price: source.price, rateLimit: source.requestsPerSecond,
      authorization: source.authorization)
    let api: any TaskSource
    switch source.kind {
    case .screenplay:
      api = ScreenplaySource(
        settings: settings, key: source.key.provider, network: network, connections: connections, logger: logger)
    case .pixxel:
      api = PixxelSource(
        settings: settings, key: source.key.provider, network: network, connections: connections, logger: logger)
    }
    return ConfiguredSource(
      source: api, fetchMode: source.fetch == .explicit ? .explicit : .onAccess, tasks: source.tasks)
  }

  /// - Parameter vouchedTime: the present moment by what an API said; nothing where no API is asked.
  static func openLedger(
    _ configuration: Configuration, _ logger: Logger, vouchedTime: @escaping @Sendable () -> Date? = { nil }
  ) async throws(CommandFailure) -> Ledger {
    do throws(BudgetFailure) {
      return try await Ledger(
        stateDirectory: configuration.stateDirectory, vouchedTime: vouchedTime, logger: logger)
    } catch {
      throw CommandFailure(error)
    }
  }

  private static func openCache(_ configuration: Configuration, _ logger: Logger) async throws(CommandFailure)
    -> ResultCache
  {
    let limits = CacheLimits(maxSize: configuration.cache.maximumSize, minFree: configuration.cache.minimumFree)
    do throws(CacheFailure) {
      return try await ResultCache(
        directory: configuration.cache.directory, limits: limits, checksum: { crc32($0, continuing: $1) },
        logger: logger,
        prices: Dictionary(
          configuration.sources.map { ($0.name, $0.price) }, uniquingKeysWith: { first, _ in first }))
    } catch {
      throw CommandFailure("the cache \(configuration.cache.directory) can't be used: \(error.reason)")
    }
  }

  private static func prepareStateDirectory(_ configuration: Configuration) async throws(CommandFailure) {
    do throws(ProcessFailure) {
      try await BlockingCall.run { () throws(ProcessFailure) in
        try PrivateDirectory.make(configuration.stateDirectory)
      }
    } catch {
      throw CommandFailure(error)
    }
  }
}

/// Directories that are ours alone.
enum PrivateDirectory {
  /// Makes the directory with mode 0700 and everything above it with the usual mode; does nothing when it is there.
  static func make(_ path: String) throws(ProcessFailure) {
    var sofar = ""
    let parts = path.split(separator: "/")
    for (index, part) in parts.enumerated() {
      sofar += "/" + part
      let isLast = index == parts.count - 1
      if mkdir(sofar, isLast ? 0o700 : 0o755) != 0, errno != EEXIST, isLast || errno != EROFS {
        throw ProcessFailure("can't make the directory \(sofar)", errno)
      }
    }
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & Glibc.S_IFMT == Glibc.S_IFDIR else {
      throw ProcessFailure("\(path) is not a directory")
    }
  }
}

extension KeySource {
  var provider: any KeyProvider {
    switch self {
    case .environment(let variable): EnvironmentKey(variable: variable)
    case .file(let path): FileKey(path: path)
    case .command(let line): CommandKey(command: line)
    }
  }
}
