/// What the map says of one block.
struct MapEntry: Hashable, Sendable {
  enum State: UInt8, Sendable {
    /// Its bytes were written, and a power loss may still take them.
    case written = 1
    /// Its bytes were on the disk when this was written.
    case durable = 2
    /// Its bytes were paid for, were on the disk, and are wrong by now.
    case damaged = 3
  }

  enum Reading: Hashable, Sendable {
    case absent
    case entry(MapEntry)
    /// No entry that was ever written looks like this.
    case garbage
  }

  let checksum: UInt32
  let state: State

  static let size = 8

  /// Eight bytes, so that the kernel writes none of them without the others: the checksum, the state, and 24 bits that tell
  /// an entry from anything else that may stand there. A block that is not here has zeroes, as a new file does.
  func encoded(for block: Int) -> UInt64 {
    UInt64(checksum) | UInt64(state.rawValue) << 32 | Self.seal(checksum, state.rawValue, block) << 40
  }

  static func decode(_ raw: UInt64, block: Int) -> Reading {
    if raw == 0 { return .absent }
    let checksum = UInt32(truncatingIfNeeded: raw)
    guard let state = State(rawValue: UInt8(truncatingIfNeeded: raw >> 32)),
      seal(checksum, state.rawValue, block) == raw >> 40
    else { return .garbage }
    return .entry(MapEntry(checksum: checksum, state: state))
  }

  /// 24 bits of a mix of everything (the finalizer of SplitMix64).
  private static func seal(_ checksum: UInt32, _ state: UInt8, _ block: Int) -> UInt64 {
    var mixed = (UInt64(checksum) | UInt64(state) << 32) &+ UInt64(block) &* 0x9e37_79b9_7f4a_7c15
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return (mixed ^ (mixed >> 31)) & 0xff_ffff
  }
}

/// The beginning of a map.
struct MapHeader: Hashable, Sendable {
  let size: UInt64

  static let length = 64
  /// "tollmap" and the number of this format.
  private static let magic: UInt64 = 0x746f_6c6c_6d61_7001

  /// What must stand there, exactly: the size of the member and of a block follow from what the index says.
  var words: [UInt64] {
    let first = [Self.magic, size, UInt64(SparseObject.blockSize)]
    let sum = first.reduce(UInt64(0)) { ($0 ^ $1) &* 0x9e37_79b9_7f4a_7c15 }
    return first + [sum, 0, 0, 0, 0]
  }
}
