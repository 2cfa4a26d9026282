import Tasks

/// The bytes of one range of a package, taken piece by piece by one task: those that are known already, and those that have to
/// be asked for, one request after the other.
final class RangeReader {
  typealias Request = @Sendable (Range<UInt64>) async throws(SourceFailure) -> PackageAnswer

  private let request: Request
  private var parts: ArraySlice<KnownPieces.Part>
  private var stream: (any ByteStream)?
  /// Where the stream's request ends.
  private var streamEnd: UInt64 = 0
  /// Bytes before the wanted ones, where the store sends everything whatever is asked.
  private var surplus: UInt64 = 0
  /// Bytes that were taken and not yet given out.
  private var held: ArraySlice<UInt8> = []
  /// Where the next byte stands in the package.
  private(set) var position: UInt64
  /// Where the range ends.
  let end: UInt64
  /// Whether the ledger expects to be told what it moved.
  let isCovered: Bool
  /// What came over the network so far; once a request has been cut off, what may have left the store for it at most.
  private(set) var moved = ByteCount.zero
  private(set) var isEnded = false
  /// Of a request that is cut off so many bytes may be on their way: in our buffer (1 MiB), and in those of the two systems (Linux
  /// lets them grow to 6 and 4 MiB). The store has sent them, and may charge for them.
  private static let mostOnItsWay: UInt64 = 11 << 20

  init(
    _ range: Range<UInt64>, parts: [KnownPieces.Part], isCovered: Bool = false, request: @escaping Request
  ) {
    self.isCovered = isCovered
    position = range.lowerBound
    end = range.upperBound
    self.parts = parts[...]
    self.request = request
  }

  /// The next bytes, never none; nil at the end of the range or of the package.
  func next(atMost limit: Int = .max) async throws(SourceFailure) -> ArraySlice<UInt8>? {
    guard position < end else { return nil }
    while held.isEmpty {
      if let stream {
        guard let bytes = try await stream.next() else {
          self.stream = nil
          // The package ends here.
          guard position == streamEnd else { return nil }
          continue
        }
        moved += ByteCount(bytes.count)
        let skipped = min(surplus, UInt64(bytes.count))
        surplus -= skipped
        held = bytes.dropFirst(Int(skipped))
        // A store that ignores ranges goes on beyond what was asked for.
        held = held.prefix(Int(clamping: streamEnd - position))
        if position + UInt64(held.count) >= streamEnd, surplus == 0 { self.stream = nil }
      } else {
        guard try await begin() else { return nil }
      }
    }
    let piece = held.prefix(min(limit, Int(clamping: end - position)))
    held = held.dropFirst(piece.count)
    position += UInt64(piece.count)
    return piece
  }

  /// Puts the last bytes that were taken back.
  func giveBack(_ bytes: ArraySlice<UInt8>) {
    held = bytes + held
    position -= UInt64(bytes.count)
  }

  /// Bytes that came and nobody took.
  var leftOver: ArraySlice<UInt8> { held }

  func cancel() {
    isEnded = true
    if let stream {
      let left = streamEnd - min(streamEnd, position + UInt64(held.count))
      moved += ByteCount(Int64(clamping: min(left, Self.mostOnItsWay)))
      stream.cancel()
    }
    stream = nil
    parts = []
  }

  /// The next part of the range; false when there is none.
  private func begin() async throws(SourceFailure) -> Bool {
    switch parts.popFirst() {
    case nil: return false
    case .known(let bytes)?: held = bytes
    case .ask(let range)?:
      let answer = try await request(range)
      surplus = range.lowerBound - min(range.lowerBound, answer.offset)
      streamEnd = range.upperBound
      stream = answer.stream
    }
    return true
  }
}
