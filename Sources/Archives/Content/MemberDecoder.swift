/// Decodes the content of one member of a zip package from its raw bytes, which come in order, in any pieces.
///
/// What deflate compressed comes out while the bytes come in. For the methods that only libarchive knows the raw bytes are
/// collected, and everything comes out with the last of them. Confined to one thread.
public final class MemberDecoder {
  public enum Progress: Hashable, Sendable {
    case needsInput
    /// Everything has come out, and its size and checksum are right.
    case ended
  }

  private enum Route {
    case streamed(Inflater)
    case collected(SpoolFile)
  }

  private let place: MemberPlace
  private let route: Route
  private var content: MemberContent
  private var failure: (any Error)?
  private var hasEnded = false

  /// - Parameter spoolDirectory: where raw bytes are collected, in a file without a name.
  /// - Throws: `.unsupportedMethod`; `.badStructure` when the sizes can't both be true; `.io` when the spool can't be made.
  public init(_ place: MemberPlace, spoolDirectory: String) throws(ArchiveFailure) {
    self.place = place
    let encoding: MemberContent.Encoding = place.isStored ? .stored : .deflated
    content = MemberContent(encoding, compressedSize: place.rawCount, expectedSize: place.contentCount)
    if place.isStored, place.compressedSize != place.size {
      throw ArchiveFailure(.badStructure, "it is stored, but its two sizes differ")
    } else if place.isStored || place.isDeflated {
      route = .streamed(Inflater())
    } else if Method.foreign.contains(place.method) {
      route = .collected(try SpoolFile(directory: spoolDirectory, limits: ArchiveLimits()))
    } else {
      throw ArchiveFailure(
        .unsupportedMethod, "its compression is not supported: \(Method.description(place.method))")
    }
  }

  /// Goes on where another decoder of the same member was when it made the snapshot: the next raw byte to feed is the one at ``consumed``.
  ///
  /// - Throws: `.badStructure` when the snapshot is damaged, of another member, or of a version of this program or its library that works
  ///   differently. Nothing is lost but the way from the beginning.
  public init(_ place: MemberPlace, resuming snapshot: [UInt8]) throws(ArchiveFailure) {
    guard place.isDeflated, let point = DecodingPoint(snapshot, of: place), let inflater = Inflater(point.inflater)
    else {
      throw ArchiveFailure(.badStructure, "the seek point is damaged, or of another version")
    }
    self.place = place
    route = .streamed(inflater)
    content = point.content
  }

  /// Raw bytes taken so far: where in the content the next one must come from.
  public var consumed: UInt64 {
    switch route {
    case .streamed: content.consumed
    case .collected(let spool): UInt64(spool.length)
    }
  }

  /// Bytes that have come out so far.
  public var produced: UInt64 { content.produced }

  /// Takes the next raw bytes, any number; what lies behind the end of the content is ignored. A member of no bytes ends with the first call.
  ///
  /// - Parameter output: gets the next bytes of the content, never none, valid during the call only.
  /// - Throws: ``ArchiveFailure`` (damage, more bytes than announced, a wrong checksum at the end), or what `output` throws. The decoder
  ///   is done for then, and throws the same again.
  public func feed(
    _ raw: UnsafeRawBufferPointer, output: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Progress {
    if let failure { throw failure }
    guard !hasEnded else { return .ended }
    do {
      hasEnded = try take(raw, output)
    } catch {
      failure = error
      throw error
    }
    return hasEnded ? .ended : .needsInput
  }

  /// All that is needed to go on from here in another process, in some 40 KB: the window, the codes of the block, counters and the running
  /// checksum, with a checksum of its own. nil where there is no going on: for other methods than deflate, and after the end or a failure.
  public func snapshot() -> [UInt8]? {
    guard place.isDeflated, case .streamed(let inflater) = route, !hasEnded, failure == nil else { return nil }
    return DecodingPoint(content: content, inflater: inflater.frozen()).encoded(for: place)
  }

  /// Whether the content has ended.
  private func take(_ raw: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool {
    switch route {
    case .collected(let spool): return try collect(raw, spool, output)
    case .streamed where place.rawCount == 0: break
    case .streamed(let inflater):
      var rest = raw
      switch try content.feed(&rest, inflater, output: output) {
      case .needsInput: return false
      case .damaged(let failure): throw failure
      case .ended: break
      }
    }
    if let failure = content.verdict(size: place.contentCount, crc32: place.crc32) { throw failure }
    return true
  }

  private func collect(
    _ raw: UnsafeRawBufferPointer, _ spool: SpoolFile, _ output: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Bool {
    let left = place.rawCount - UInt64(spool.length)
    try spool.append(UnsafeRawBufferPointer(rebasing: raw[..<Int(min(left, UInt64(raw.count)))]))
    guard UInt64(spool.length) == place.rawCount else { return false }
    let outcome = try ForeignDecoder(place).decode(spool, at: 0) { bytes in
      content.count(bytes)
      try output(bytes)
    }
    if case .damaged(let failure) = outcome { throw failure }
    return true
  }
}
