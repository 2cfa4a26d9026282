/// How long to wait for a network, and how often to try again: the `network` part of the configuration.
public struct NetworkSettings: Hashable, Sendable {
  /// The longest wait for a connection: name resolution, TCP and TLS together.
  public var connectTimeout: Duration
  /// The longest silence: to the first byte of an answer, and between any two of its bytes.
  public var readTimeout: Duration
  /// Repeats after the first try, of what is safe to repeat.
  public var retries: Int
  /// The slowest stream that is still waited for, in bytes a second, averaged over ``rateWindow``; 0 switches it off.
  ///
  /// A byte every 29 seconds never trips the read timeout, and would hold a reader for ever. Breaking a paid stream is
  /// dear, so the floor only catches what can never end: 100 bytes a second is a tenth of the slowest modem in use and
  /// needs three hours for a megabyte.
  public var minimumRate: Int

  public init(
    connectTimeout: Duration = .seconds(10), readTimeout: Duration = .seconds(30), retries: Int = 4,
    minimumRate: Int = 100
  ) {
    self.connectTimeout = connectTimeout
    self.readTimeout = readTimeout
    self.retries = max(0, retries)
    self.minimumRate = max(0, minimumRate)
  }

  /// How much waiting the rate is averaged over. Four read timeouts: a stall just short of the read timeout is
  /// forgiven when the bytes around it flow.
  var rateWindow: Duration { readTimeout * 4 }

  /// The bound on a whole small call, repeats and the pauses between them included: long enough for one complete
  /// timeout and a second try, short enough for somebody who waits in front of `cat status`.
  var callDeadline: Duration { connectTimeout + readTimeout * 2 }

  /// The longest wait in the queue of the client-side rate limit. Who would have to wait longer is refused at once:
  /// that is an honest answer a minute sooner.
  var queuePatience: Duration { readTimeout * 2 }
}
