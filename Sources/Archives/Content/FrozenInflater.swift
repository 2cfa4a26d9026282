import CISAL

/// An ``Inflater`` between two pieces of input, as bytes that another process can go on with.
///
/// ISA-L keeps all it needs in one flat structure: the window, the codes of the block, the bits that are read ahead. What is in it is
/// its own affair, so that it is only understood by the same library: ``layout`` tells whether it is.
struct FrozenInflater {
  let state: [UInt8]
  /// At most eight bytes.
  let lastInput: [UInt8]

  /// Size and version of the structure as it was compiled, and a checksum of what the library that is really there makes of a part
  /// of a known stream. The version of the latter can't be asked for, and an update of the system may replace it at any time.
  static let layout: [UInt32] = {
    let inflater = Inflater()
    let checksum = sample.withUnsafeBytes { bytes in
      var input = bytes
      _ = inflater.feed(&input) { _ in true }
      return inflater.frozen().state.withUnsafeBytes { crc32($0) }
    }
    return [UInt32(clamping: tollfs_inflate_state_size()), tollfs_isal_version(), checksum]
  }()

  /// The first bytes of a deflate stream with a block of its own codes, up to some place in the block.
  private static let sample: [UInt8] = [
    0x35, 0x8c, 0x5b, 0x92, 0x02, 0x21, 0x14, 0x43, 0xb7, 0x92, 0x05, 0x58, 0x96, 0x3a, 0x3e, 0xcb,
    0x2f, 0x97, 0x42, 0x37, 0x97, 0x87, 0xe0, 0xa5, 0x85, 0x8b, 0xa8, 0xab, 0x9f, 0x96, 0x71, 0xbe,
    0x92, 0xca, 0x49, 0x72, 0x41, 0xa6, 0x52, 0xa3, 0xc0, 0x17, 0x0c, 0xa9, 0x5a, 0x27, 0x48, 0x3c,
    0x12, 0x14, 0xeb, 0x99, 0x28, 0x0d, 0x55, 0x90, 0x8c, 0x10, 0x77, 0xc3, 0x84, 0xe8, 0x03, 0x95,
    0x33, 0x9a, 0x53, 0x82, 0x36, 0x67, 0xbd, 0xd4, 0x27, 0xf3, 0x43, 0xa0, 0x49, 0x16, 0x7d, 0xdb,
    0xf9, 0x37, 0xf9, 0x68, 0xaf, 0x99, 0x94, 0xc1, 0x49, 0x9c, 0x67, 0xbb, 0xc4, 0x6a, 0xbd, 0xf9,
    0xd9, 0xee, 0xf6, 0x87, 0xe3, 0x09, 0x6a, 0x18, 0x35, 0x19, 0xeb, 0xfc, 0x35, 0xc4, 0x1b, 0xa7,
    0xe9, 0x9e, 0x8b, 0xd4, 0x47, 0x7b, 0xbe, 0xde, 0xef, 0xd7, 0xb3, 0x3d, 0xaa, 0x94, 0x7c, 0x9f,
    0x12, 0xdf, 0x62, 0xb8, 0x7a, 0x67, 0x0d, 0xe9, 0x71, 0x50, 0x38, 0x1d, 0x0f, 0xfb, 0xdd, 0xf6,
    0x67, 0xb3, 0x5e, 0x61, 0x69, 0xd9,
  ]
}

extension Inflater {
  /// Goes on from there; nil if it can't be a state of this library.
  convenience init?(_ frozen: FrozenInflater) {
    self.init()
    let size = tollfs_inflate_state_size()
    guard frozen.state.count == size, frozen.lastInput.count <= 8 else { return nil }
    let isSound = frozen.state.withUnsafeBytes { bytes in
      UnsafeMutableRawBufferPointer(start: state, count: size).copyMemory(from: bytes)
      return tollfs_inflate_is_sound(state) != 0
    }
    guard isSound else { return nil }
    lastInput = frozen.lastInput
  }

  /// To be called between two pieces of input, when all output has come out.
  func frozen() -> FrozenInflater {
    let size = tollfs_inflate_state_size()
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
    defer { copy.deallocate() }
    copy.copyMemory(from: UnsafeRawBufferPointer(start: state, count: size))
    tollfs_inflate_freeze(copy.baseAddress)
    return FrozenInflater(state: Array(copy), lastInput: lastInput)
  }
}

/// All bytes in one stream of raw deflate, or nil if there is no memory for it.
func deflated(_ bytes: [UInt8]) -> [UInt8]? {
  // Incompressible bytes become longer by five for each 64 KiB, and the end.
  let room = bytes.count + bytes.count / 8 + 1_024
  let output = [UInt8](unsafeUninitializedCapacity: room) { buffer, filled in
    filled = Int(tollfs_deflate(bytes, UInt32(bytes.count), buffer.baseAddress, UInt32(room)))
  }
  return output.isEmpty ? nil : output
}

/// The content of a raw deflate stream, which must have this size; else nil.
func inflated(_ bytes: [UInt8], size: Int) -> [UInt8]? {
  var output: [UInt8] = []
  output.reserveCapacity(size)
  let inflater = Inflater()
  let outcome = bytes.withUnsafeBytes { bytes in
    var input = bytes
    return inflater.feed(&input) { piece in
      output.append(contentsOf: piece)
      return output.count <= size
    }
  }
  guard case .finished = outcome, output.count == size else { return nil }
  return output
}
