import Tasks

/// The bytes of one request, taken piece by piece by one task.
final class RangeReader {
  private let stream: any ByteStream
  /// Bytes that were taken from the stream and not yet from here.
  private var held: ArraySlice<UInt8> = []
  /// Where the next byte stands in the package.
  private(set) var position: UInt64
  /// Where the request ends.
  let end: UInt64
  /// What came over the network so far.
  private(set) var moved = ByteCount.zero
  /// Bytes before the wanted ones, where the store sends everything whatever is asked.
  private var surplus: UInt64

  init(_ answer: PackageAnswer, start: UInt64, end: UInt64) {
    stream = answer.stream
    position = start
    self.end = end
    surplus = start - min(start, answer.offset)
  }

  /// The next bytes, never none; nil at the end of the request or of the package.
  func next(atMost limit: Int = .max) async throws(SourceFailure) -> ArraySlice<UInt8>? {
    guard position < end else { return nil }
    while held.isEmpty {
      guard let bytes = try await stream.next() else { return nil }
      moved += ByteCount(bytes.count)
      let skipped = min(surplus, UInt64(bytes.count))
      surplus -= skipped
      held = bytes.dropFirst(Int(skipped))
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

  func cancel() {
    stream.cancel()
  }
}
