/// Decides when a stream that somebody waits for has stalled, or trickles too slowly to ever end. Pure.
///
/// Only time that a reader spends waiting counts: a slow reader is no fault of the server's.
struct StallWatch: Hashable, Sendable {
  enum Verdict: Hashable, Sendable {
    case fine(checkAgainIn: Duration)
    case silent
    /// Too few bytes over a whole window of waiting.
    case tooSlow(bytes: Int, over: Duration)
  }

  private let readTimeout: Duration
  private let window: Duration
  private let minimumRate: Int
  private var waitingSince: Duration?
  /// When the present silence began: with the wait, or with the last byte during it.
  private var silentSince: Duration = .zero
  private var waited: Duration = .zero
  private var bytes = 0

  init(_ settings: NetworkSettings) {
    readTimeout = settings.readTimeout
    window = settings.rateWindow
    minimumRate = settings.minimumRate
  }

  mutating func beginWait(at now: Duration) {
    guard waitingSince == nil else { return }
    waitingSince = now
    silentSince = now
  }

  mutating func endWait(at now: Duration) {
    guard let since = waitingSince else { return }
    waited += now - since
    waitingSince = nil
  }

  mutating func received(_ count: Int, at now: Duration) {
    bytes += count
    silentSince = now
  }

  mutating func verdict(at now: Duration) -> Verdict {
    let running = waitingSince.map { now - $0 } ?? .zero
    if waitingSince != nil, now - silentSince >= readTimeout { return .silent }
    let total = waited + running
    if total >= window {
      if minimumRate > 0, Double(bytes) < Double(minimumRate) * total.inSeconds {
        return .tooSlow(bytes: bytes, over: total)
      }
      waited = .zero
      bytes = 0
      if waitingSince != nil { waitingSince = now }
    }
    guard waitingSince != nil else { return .fine(checkAgainIn: readTimeout) }
    return .fine(checkAgainIn: readTimeout - (now - silentSince))
  }
}

extension Duration {
  /// For messages and rates only: never compare what must be exact.
  var inSeconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) + Double(attoseconds) * 1e-18
  }

  /// `30 s`, `0.2 s`.
  var forPeople: String {
    let tenths = Int((inSeconds * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10) s" : "\(tenths / 10).\(tenths % 10) s"
  }
}
