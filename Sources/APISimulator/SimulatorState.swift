import Glibc
import Synchronization

/// The model behind its lock, with the clocks.
final class SimulatorState: Sendable {
  private let model: Mutex<SimulatorModel>
  let pen = HoldingPen()

  init(_ configuration: APISimulator.Configuration) {
    model = Mutex(SimulatorModel(configuration))
  }

  func with<Value: Sendable>(_ body: (inout SimulatorModel) -> Value) -> Value {
    model.withLock { body(&$0) }
  }

  func receive(_ request: IncomingRequest) -> Verdict {
    let (now, wallClock) = (Self.monotonic(), Self.wallClock())
    return with { $0.receive(request, now: now, wallClock: wallClock) }
  }

  func receive(_ request: StoreRequest) -> StoreVerdict {
    let (now, wallClock) = (Self.monotonic(), Self.wallClock())
    return with { $0.receive(request, now: now, wallClock: wallClock) }
  }

  /// What `Date` says, or nil if nothing.
  func date() -> String? {
    let (clock, wallClock) = (with { $0.clock }, Self.wallClock())
    return clock == .unsaid ? nil : Moment(clock.seconds(wallClock)).http
  }

  /// Every address for the package, or for all, is past its time from now on.
  func expire(_ key: String? = nil) {
    let now = Self.monotonic()
    with { $0.store.expire(key, now: now) }
  }

  func begin(_ verdict: Verdict) {
    with { $0.begin(verdict.number, status: verdict.answer.status, cost: verdict.answer.cost) }
  }

  func sent(_ verdict: Verdict, bytes: Int64) {
    with { $0.sent(verdict.number, bytes: bytes) }
  }

  func end(_ verdict: Verdict, completed: Bool) {
    with { $0.end(verdict.number, completed: completed, cost: verdict.answer.cost) }
  }

  /// Seconds that only ever go forward.
  static func monotonic() -> Double { seconds(CLOCK_MONOTONIC) }

  /// Seconds since 1970.
  static func wallClock() -> Double { seconds(CLOCK_REALTIME) }

  private static func seconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1_000_000_000
  }
}
