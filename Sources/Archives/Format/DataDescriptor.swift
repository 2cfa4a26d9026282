/// The record behind a content whose sizes were not known before it (APPNOTE 4.3.9).
///
/// Whether it starts with a signature and whether its sizes have 32 or 64 bits is written nowhere that can be trusted. But the
/// content has just been seen, so its checksum and both sizes are known, and only one layout can spell them.
struct DataDescriptor {
  let crc32: UInt32
  let compressedSize: UInt64
  let size: UInt64

  enum Decision: Equatable {
    /// The descriptor has this many bytes.
    case length(Int)
    /// A layout is still possible that needs more bytes than there are.
    case needsMore
    /// No layout spells these values.
    case none
  }

  /// The longest layout: signature, checksum, two 64-bit sizes.
  static let longest = 24

  /// Reads the bytes behind the content. `isEnd` says that no more will come.
  ///
  /// Longer layouts go first: only for an empty content does a longer one begin like a shorter one, and it goes on with
  /// zeros where another record would have its signature.
  func decide(_ bytes: ArraySlice<UInt8>, isEnd: Bool) -> Decision {
    for layout in layouts {
      if bytes.count >= layout.count {
        if bytes.prefix(layout.count).elementsEqual(layout) { return .length(layout.count) }
      } else if !isEnd, layout.prefix(bytes.count).elementsEqual(bytes) {
        return .needsMore
      }
    }
    return .none
  }

  private var layouts: [[UInt8]] {
    let signature = Self.bytes(UInt64(Signature.dataDescriptor), 4)
    let checksum = Self.bytes(UInt64(crc32), 4)
    let wide = checksum + Self.bytes(compressedSize, 8) + Self.bytes(size, 8)
    // 32-bit sizes of more than 4 GiB keep their low bits: writers that know no Zip64 do that.
    let narrow = checksum + Self.bytes(compressedSize, 4) + Self.bytes(size, 4)
    return [signature + wide, wide, signature + narrow, narrow]
  }

  private static func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
  }
}
