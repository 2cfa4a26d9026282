/// The content of one member on its way from raw bytes to checked ones.
struct MemberContent {
  enum Encoding {
    case stored
    case deflated
  }

  enum Outcome {
    case needsInput
    /// All of it has come out. The bytes were taken from the input but lie behind the end of the content.
    case ended(unused: [UInt8])
    case damaged(ArchiveFailure)
  }

  let encoding: Encoding
  /// How many raw bytes there are; nil if only the deflate stream's own end tells.
  let compressedSize: UInt64?
  /// How many bytes must come out, where known.
  let expectedSize: UInt64?
  /// Raw bytes so far, without those behind the end.
  private(set) var consumed: UInt64 = 0
  /// Bytes that came out so far.
  private(set) var produced: UInt64 = 0
  /// Of the bytes that came out so far.
  private(set) var checksum: UInt32 = 0

  init(_ encoding: Encoding, compressedSize: UInt64?, expectedSize: UInt64?) {
    self.encoding = encoding
    self.compressedSize = compressedSize
    self.expectedSize = expectedSize
  }

  /// Deflated content that has come this far.
  init(_ place: MemberPlace, consumed: UInt64, produced: UInt64, checksum: UInt32) {
    self.init(.deflated, compressedSize: place.rawCount, expectedSize: place.contentCount)
    self.consumed = consumed
    self.produced = produced
    self.checksum = checksum
  }

  /// Takes from `input` what belongs to the content, and gives what it decodes to `output`.
  mutating func feed(
    _ input: inout UnsafeRawBufferPointer, _ inflater: Inflater, output: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Outcome {
    let left = compressedSize.map { $0 - consumed } ?? .max
    let available = min(UInt64(input.count), left)
    let own = UnsafeRawBufferPointer(rebasing: input[..<Int(available)])
    let rest = UnsafeRawBufferPointer(rebasing: input[Int(available)...])
    switch encoding {
    case .stored:
      consumed += available
      input = rest
      if !own.isEmpty, try !accept(own, output) { return .damaged(tooLong) }
      return consumed == compressedSize ? .ended(unused: []) : .needsInput
    case .deflated:
      var unfed = own
      let outcome = try inflate(&unfed, inflater, output)
      input = UnsafeRawBufferPointer(start: unfed.baseAddress, count: unfed.count + rest.count)
      consumed += available - UInt64(unfed.count)
      return settled(outcome)
    }
  }

  private mutating func inflate(
    _ input: inout UnsafeRawBufferPointer, _ inflater: Inflater, _ output: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Inflater.Outcome {
    // A copy, as the closure can't hold the value that is being changed.
    var copy = self
    defer { self = copy }
    return try inflater.feed(&input) { try copy.accept($0, output) }
  }

  private mutating func settled(_ outcome: Inflater.Outcome) -> Outcome {
    switch outcome {
    case .needsInput where consumed == compressedSize:
      return .damaged(ArchiveFailure(.badStructure, "the compressed data ends too early"))
    case .needsInput:
      return .needsInput
    case .finished(let unused):
      let surplus = UInt64(unused.count)
      // What the inflater took in beyond the end was part of its input, now or before.
      consumed -= min(consumed, surplus)
      return .ended(unused: unused)
    case .damaged:
      let isTooLong = expectedSize.map { produced > $0 } ?? false
      return .damaged(isTooLong ? tooLong : ArchiveFailure(.badStructure, "the compressed data is damaged"))
    }
  }

  /// Returns false if more comes out than the header announced; nothing of it is handed on.
  mutating func accept(
    _ bytes: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Bool {
    produced += UInt64(bytes.count)
    if let expectedSize, produced > expectedSize { return false }
    checksum = crc32(bytes, continuing: checksum)
    try output(bytes)
    return true
  }

  /// Bytes came out that were checked elsewhere.
  mutating func count(_ bytes: UnsafeRawBufferPointer) {
    produced += UInt64(bytes.count)
  }

  /// What is wrong with the content now that it has ended, if this is what it was made from. No checksum, no check of it.
  func verdict(size: UInt64, crc32: UInt32?) -> ArchiveFailure? {
    if produced != size {
      return ArchiveFailure(.badStructure, "the content has \(produced) bytes where its header announces \(size)")
    }
    if crc32 == nil || checksum == crc32 { return nil }
    return ArchiveFailure(.badChecksum, "the content does not match its checksum")
  }

  var tooLong: ArchiveFailure {
    ArchiveFailure(.badStructure, "the content is longer than the \(expectedSize ?? 0) bytes that its header announces")
  }
}
