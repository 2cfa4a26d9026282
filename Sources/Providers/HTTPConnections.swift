import AsyncHTTPClient
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// The process's connections to all APIs. One of these is shared by all sources; ``shutdown()`` ends it.
public final class HTTPConnections: Sendable {
  /// Small calls reuse connections, over HTTP/2 where the server offers it.
  let calls: HTTPClient
  /// Each download has a fresh HTTP/1.1 connection of its own. On a reused one, a server that closes it for being idle
  /// just when the request leaves would make it unknowable whether the download was billed.
  let downloads: HTTPClient
  /// Ranges of packages, from object stores: HTTP/1.1 for the sake of ``BreakTap``, and connections are kept alive, since a
  /// range may always be asked for again.
  let packages: HTTPClient
  /// What the clocks of the APIs say.
  public let serverTime: ServerTime
  let registry = ExchangeRegistry()

  // One thread. It moves bytes faster than disks and networks do, and it keeps events in order: when a deadline fires,
  // it is certain whether the request has been written.
  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let isDown = Atomic(false)
  private let logger: Logger

  /// - Parameters:
  ///   - network: only ``NetworkSettings/connectTimeout`` is of interest here.
  ///   - serverTime: is told the time of every answer of an API.
  public init(
    network: NetworkSettings = NetworkSettings(), serverTime: ServerTime = ServerTime(), logger: Logger
  ) {
    self.logger = logger
    self.serverTime = serverTime
    var configuration = HTTPClient.Configuration(
      // Redirects are followed by RedirectRule, which knows where the key must not go.
      redirectConfiguration: .disallow,
      // No read timeout here: the client's would also count while a slow reader holds the stream back.
      timeout: .init(connect: TimeAmount(network.connectTimeout)),
      decompression: .disabled)
    // Repeats are RetryPolicy's: two layers of them would multiply.
    configuration.connectionPool.retryConnectionEstablishment = false
    // More requests than this at one moment wait for a connection; the rate limits keep it far away.
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 32
    calls = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    configuration.httpVersion = .http1Only
    let registry = registry
    configuration.http1_1ConnectionDebugInitializer = { channel in
      BreakTap.install(in: channel, registry: registry)
    }
    packages = HTTPClient(
      eventLoopGroupProvider: .shared(group), configuration: Self.forPackages(configuration, registry))
    configuration.maximumUsesPerConnection = 1
    downloads = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
  }

  private var clients: [(name: String, client: HTTPClient)] {
    [("calls", calls), ("downloads", downloads), ("packages", packages)]
  }

  private static func forPackages(
    _ base: HTTPClient.Configuration, _ registry: ExchangeRegistry
  ) -> HTTPClient.Configuration {
    var configuration = base
    // Every open file may have a stream of its own, and all of them go to one host.
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 128
    // Short: a request that meets the store's own closing of an idle connection is made again, but only after a pause.
    configuration.connectionPool.idleTimeout = .seconds(15)
    configuration.http1_1ConnectionDebugInitializer = { channel in
      channel.eventLoop.makeCompletedFuture {
        // 256 KiB, where reads bring that much: a quarter of the events that the usual 64 KiB cause, of some microseconds each.
        let reads = AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 64 << 10, maximum: 256 << 10)
        try channel.syncOptions?.setOption(.recvAllocator, value: reads)
      }.flatMap { BreakTap.install(in: channel, registry: registry) }
    }
    return configuration
  }

  /// Whether ``shutdown()`` has begun. A request that is made on an event loop which has ended would never hear of it.
  var isShutDown: Bool { isDown.load(ordering: .acquiring) }

  /// Closes every connection; what is in flight fails. Safe to call more than once.
  public func shutdown() async {
    guard !isDown.exchange(true, ordering: .acquiringAndReleasing) else { return }
    await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
      Self.shutDown(clients, group, logger) { done.resume() }
    }
  }

  deinit {
    // An HTTPClient that is let go of without a shutdown traps in debug builds and leaks in release builds.
    if !isDown.load(ordering: .acquiring) { Self.shutDown(clients, group, logger) {} }
  }

  private static func shutDown(
    _ clients: [(name: String, client: HTTPClient)], _ group: MultiThreadedEventLoopGroup, _ logger: Logger,
    done: @escaping @Sendable () -> Void
  ) {
    let note: @Sendable (String, (any Error)?) -> Void = { part, error in
      if let error {
        logger.debug("connections did not shut down cleanly", metadata: ["part": "\(part)", "error": "\(error)"])
      }
    }
    guard let (name, client) = clients.first else {
      group.shutdownGracefully { error in
        note("event loop", error)
        done()
      }
      return
    }
    client.shutdown { error in
      note(name, error)
      shutDown(Array(clients.dropFirst()), group, logger, done: done)
    }
  }
}

extension TimeAmount {
  /// Saturates at the ends of what nanoseconds in 64 bits can hold (292 years).
  init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    self = .nanoseconds(overflow ? (seconds > 0 ? .max : .min) : whole &+ attoseconds / 1_000_000_000)
  }
}
