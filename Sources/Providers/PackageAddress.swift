import FoundationEssentials
import Tasks

/// A signed URL for the time that it may be used.
struct PackageLease: Sendable {
  let url: SignedURL
  /// Counts the addresses that this package has had.
  let generation: Int
  /// The validator of what this URL leads to, where the store gives none: unlike any other, in other runs, too. Bytes may
  /// then be joined within one URL only. See ``PackageVersion/isValidated``.
  let mark: String
  /// From when on another one shall be fetched first, on the clock of the source; nil where the URL does not say.
  let renewal: Duration?
  /// When it says that it ends.
  let end: Duration?

  /// Ten seconds are enough for a slow connection and two clocks that differ a little. A URL that lives for seconds is used
  /// for three quarters of its time, so that one second is enough to be of use.
  static let margin: Duration = .seconds(10)

  /// - Parameters:
  ///   - date: the time when the URL came, by the clock of who signed it as far as that is known.
  ///   - now: the same moment on the source's clock.
  init(_ url: SignedURL, after old: PackageLease?, date: Date, now: Duration) {
    self.url = url
    generation = (old?.generation ?? 0) + 1
    let isSame = old?.url == url
    mark = isSame ? old?.mark ?? Self.newMark() : Self.newMark()
    guard let expiry = SignatureExpiry.date(of: url.address) else {
      renewal = nil
      end = nil
      return
    }
    let left: Duration = .milliseconds(Int64(max(0, min(31_536_000, expiry.timeIntervalSince(date)) * 1000)))
    end = now + left
    // An API that hands out the same URL again does so until it ends; asking before is of no use.
    renewal = now + (isSame ? left : left - min(Self.margin, left / 4))
  }

  func isDue(_ now: Duration) -> Bool { renewal.map { now >= $0 } ?? false }
  func hasEnded(_ now: Duration) -> Bool { end.map { now >= $0 } ?? false }

  static func newMark() -> String {
    PackageVersion.unvalidatedPrefix + ExchangeRegistry.newID()
  }
}

/// Where a package is at present: one signed URL after the other, each fetched once for everybody.
actor PackageAddress {
  private var current: PackageLease
  private let renewals: SharedAnswers<Int, PackageLease>
  private let clock: SourceClock
  private let date: @Sendable () -> Date
  private let renew: @Sendable () async -> Result<SignedURL, SourceFailure>

  init(
    _ first: SignedURL, clock: SourceClock, date: @escaping @Sendable () -> Date,
    renew: @escaping @Sendable () async -> Result<SignedURL, SourceFailure>
  ) {
    current = PackageLease(first, after: nil, date: date(), now: clock.now())
    renewals = SharedAnswers(freshness: .zero, clock: clock)
    self.clock = clock
    self.date = date
    self.renew = renew
  }

  /// The address to use now.
  /// - Parameter refused: the generation that the store has just refused, if it did.
  func lease(refused: Int?) async throws(SourceFailure) -> PackageLease {
    let old = current
    guard old.generation == refused || old.isDue(clock.now()) else { return old }
    // Not looked at again: one that lives for a moment only shall be used all the same.
    return try await renewals.answer(to: old.generation) { [self] in
      switch await renew() {
      case .failure(let failure): .failure(failure)
      case .success(let url): .success(await adopt(url, after: old))
      }
    }
  }

  /// How many wait for another address just now.
  var waiting: Int {
    get async { await renewals.waiting(for: current.generation) }
  }

  private func adopt(_ url: SignedURL, after old: PackageLease) -> PackageLease {
    let lease = PackageLease(url, after: old, date: date(), now: clock.now())
    current = lease
    return lease
  }
}
