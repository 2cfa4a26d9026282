/// A file inside the result archive of a simulated task.
public struct SimulatedFile: Sendable, Equatable {
  /// How the archive holds it (APPNOTE 4.4.5).
  public enum Method: Sendable, Equatable {
    /// Method 0, as it is.
    case stored
    /// Method 8, by zlib; `level` is zlib's, 1 (fast) to 9 (small).
    case deflated(level: Int32)
  }

  /// Where its bytes come from.
  public enum Content: Sendable, Equatable {
    case bytes([UInt8])
    /// Made while it is read, so that hundreds of megabytes need no memory.
    case generated(GeneratedContent)
  }

  /// The name as the archive holds it: raw bytes, so that a test can give names in any charset, or hostile ones.
  public var name: [UInt8]
  public var content: Content
  public var method: Method
  /// Seconds since 1970, UTC. A zip holds even seconds only, unless its style adds the extended timestamp.
  public var modified: Int64

  /// 13 March 2026, 09:30:00 UTC: the day in the task id of the API's example, so that samples look alike in every run.
  public static let defaultModified: Int64 = 1_773_394_200

  public init(
    name: [UInt8], content: Content, method: Method = .deflated(level: 6), modified: Int64 = Self.defaultModified
  ) {
    self.name = name
    self.content = content
    self.method = method
    self.modified = modified
  }

  public init(
    path: String, bytes: [UInt8], method: Method = .deflated(level: 6), modified: Int64 = Self.defaultModified
  ) {
    self.init(name: Array(path.utf8), content: .bytes(bytes), method: method, modified: modified)
  }

  public init(
    path: String, text: String, method: Method = .deflated(level: 6), modified: Int64 = Self.defaultModified
  ) {
    self.init(path: path, bytes: Array(text.utf8), method: method, modified: modified)
  }

  /// The original size in bytes, which is what the API bills.
  public var size: Int64 {
    switch content {
    case .bytes(let bytes): Int64(bytes.count)
    case .generated(let generated): generated.size
    }
  }

  /// At most `count` of its bytes from `offset` on; fewer only at its end.
  public func bytes(at offset: Int64, count: Int) -> [UInt8] {
    switch content {
    case .bytes(let bytes):
      guard offset < bytes.count else { return [] }
      let start = Int(offset)
      return Array(bytes[start..<min(bytes.count, start + count)])
    case .generated(let generated): return generated.bytes(at: offset, count: count)
    }
  }
}

/// Bytes that follow from a seed, readable at any offset and the same every time.
///
/// One block is made from the seed and repeated, each time with its own number written over its first bytes: no two blocks
/// are equal, yet a test build (whose loops over bytes are slow) makes them as fast as memory is copied.
public struct GeneratedContent: Sendable, Equatable {
  public enum Texture: String, Sendable, Codable {
    /// Random bytes, which don't compress.
    case noise
    /// Lines of words, which deflate makes about a fifth of.
    case text
  }

  /// 64 KiB: the deflate window is 32 KiB, so that a repeated block is not found again and compression stays what the texture says.
  static let blockSize = 65_536
  /// The block's number in hexadecimal.
  static let stampSize = 16

  public let seed: UInt64
  /// Bytes.
  public let size: Int64
  public let texture: Texture
  private let block: [UInt8]

  public init(seed: UInt64, size: Int64, texture: Texture = .noise) {
    self.seed = seed
    self.size = size
    self.texture = texture
    block = Self.makeBlock(seed: seed, texture: texture)
  }

  /// The same bytes, more or fewer of them. Both share the block that they are made from.
  func with(size: Int64) -> Self { Self(seed: seed, size: size, texture: texture, block: block) }

  private init(seed: UInt64, size: Int64, texture: Texture, block: [UInt8]) {
    self.seed = seed
    self.size = size
    self.texture = texture
    self.block = block
  }

  public static func == (left: Self, right: Self) -> Bool {
    left.seed == right.seed && left.size == right.size && left.texture == right.texture
  }

  /// At most `count` bytes from `offset` on; fewer only at the end.
  public func bytes(at offset: Int64, count: Int) -> [UInt8] {
    let end = min(size, offset + Int64(count))
    guard offset >= 0, offset < end else { return [] }
    var out: [UInt8] = []
    out.reserveCapacity(Int(end - offset))
    var position = offset
    while position < end {
      let number = position / Int64(Self.blockSize)
      let start = Int(position % Int64(Self.blockSize))
      let stop = min(Self.blockSize, start + Int(end - position))
      if start < Self.stampSize {
        let stamp = Self.stamp(number)
        out.append(contentsOf: stamp[start..<min(stop, Self.stampSize)])
      }
      if stop > Self.stampSize { out.append(contentsOf: block[max(start, Self.stampSize)..<stop]) }
      position += Int64(stop - start)
    }
    return out
  }

  private static func stamp(_ number: Int64) -> [UInt8] {
    let hex = Array(String(number, radix: 16).utf8)
    return [UInt8](repeating: UInt8(ascii: "0"), count: stampSize - hex.count - 1) + hex + [UInt8(ascii: "\n")]
  }

  private static func makeBlock(seed: UInt64, texture: Texture) -> [UInt8] {
    var generator = SplitMix64(state: seed)
    var out: [UInt8] = []
    out.reserveCapacity(blockSize + 16)
    switch texture {
    case .noise:
      while out.count < blockSize {
        withUnsafeBytes(of: generator.next().littleEndian) { out.append(contentsOf: $0) }
      }
    case .text:
      let words = [
        "scene", "interior", "night", "rain", "door", "lamp", "she", "listens", "train", "leaves", "silence", "cut",
      ]
      while out.count < blockSize {
        let value = generator.next()
        out.append(contentsOf: words[Int(value % UInt64(words.count))].utf8)
        out.append(value >> 60 == 0 ? 10 : 32)
      }
    }
    out.removeLast(out.count - blockSize)
    return out
  }
}

/// SplitMix64: small, and the same for a seed on every machine and release of Swift.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
