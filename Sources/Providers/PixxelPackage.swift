import Synchronization
import Tasks

/// The package of a Pixxel task, read by ranges from behind its signed URL.
///
/// The store sees the signed address and nothing else: no key, no HEAD. Where it tells no validator, see
/// ``PackageVersion/isValidated``.
public final class PixxelPackage: TaskPackage {
  let opener: PackageOpener
  /// Some stores (Azure's) know no suffix ranges: one refusal is enough.
  private let knowsNoSuffixes = Mutex(false)

  /// 64 KiB: what is asked for to learn the total, in whose place a whole small package may come.
  static let probe: UInt64 = 64 << 10

  init(_ opener: PackageOpener) {
    self.opener = opener
  }

  public func bytes(
    _ range: PackageRange, of version: PackageVersion?
  ) async throws(SourceFailure) -> PackageAnswer {
    let known = KnownContent(version)
    var patience = opener.newPatience()
    switch range {
    case .whole: return try await open(.all, known, &patience)
    case .bytes(let range):
      guard !range.isEmpty, range.upperBound <= UInt64(Int64.max) else {
        throw SourceFailure(.badAnswer, "\(opener.subject): no bytes are at \(range)")
      }
      return try await open(.bytes(range), known, &patience)
    case .last(let count): return try await end(max(1, count), known, &patience)
    }
  }

  private func end(
    _ count: Int, _ known: KnownContent, _ patience: inout StorePatience
  ) async throws(SourceFailure) -> PackageAnswer {
    let suffix = StoreRange.last(count)
    // Where the size is known, the place is: a range of either kind costs one request.
    if let size = known.size {
      guard let part = suffix.part(of: size) else { return try await open(suffix, known, &patience) }
      return try await open(.bytes(part), known, &patience)
    }
    if !knowsNoSuffixes.withLock(\.self) {
      switch try await opener.open(suffix, known: known, patience: &patience) {
      case .open(let opening): return answer(opening, patience)
      case .needsPlace(let total):
        knowsNoSuffixes.withLock { $0 = true }
        if let part = total.flatMap({ suffix.part(of: $0) }) { return try await open(.bytes(part), known, &patience) }
      }
    }
    return try await endByProbe(suffix, known, &patience)
  }

  private func endByProbe(
    _ suffix: StoreRange, _ known: KnownContent, _ patience: inout StorePatience
  ) async throws(SourceFailure) -> PackageAnswer {
    let probe = StoreRange.bytes(0..<Self.probe)
    guard case .open(let opening) = try await opener.open(probe, known: known, patience: &patience) else {
      throw SourceFailure(.badAnswer, "\(opener.subject): the store gives no ranges")
    }
    let content = opening.answer.content
    guard !opening.answer.isWhole, let size = content.size, let part = suffix.part(of: size),
      part != opening.answer.part
    else { return answer(opening, patience) }
    opening.exchange.cancel()
    return try await open(.bytes(part), content, &patience)
  }

  private func open(
    _ range: StoreRange, _ known: KnownContent, _ patience: inout StorePatience
  ) async throws(SourceFailure) -> PackageAnswer {
    switch try await opener.open(range, known: known, patience: &patience) {
    case .open(let opening): return answer(opening, patience)
    case .needsPlace: throw SourceFailure(.badAnswer, "\(opener.subject): the store gives no ranges")
    }
  }

  private func answer(_ opening: PackageOpening, _ patience: StorePatience) -> PackageAnswer {
    PackageAnswer(
      version: opening.answer.content.version, offset: opening.answer.part?.lowerBound ?? 0,
      isWhole: opening.answer.isWhole, name: opening.name,
      stream: PackageStream(opening, opener: opener, patience: patience))
  }
}
