/// How the simulated object store behaves.
public struct StoreSettings: Sendable {
  /// Where it listens. A port of its own makes it another origin than the API, as it is in the world.
  public var host = "127.0.0.1"
  /// 0 takes a free one, and keeps it for a later start.
  public var port = 0
  /// Seconds for which a signed address is good.
  public var urlLifetime: Double = 3_600
  /// Whether an address that is signed for GET answers HEAD, which S3 refuses with 403.
  public var answersHead = false
  /// Seconds before the head of every answer.
  public var latency: Double = 0
  /// Every answer is sent no faster than this; nil is as fast as it goes.
  public var bytesPerSecond: Int?
  /// Charged for the bytes that were sent, each request rounded up; nil charges nothing.
  public var pricing: Pricing?

  public init() {}
}
