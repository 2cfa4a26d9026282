/// CRC-32 checksums of parts of a content that arrive in any order, put together as parts come to lie side by side, so that the
/// whole is checked without being read once more. Pure.
struct ContentSums: Hashable, Sendable {
  private struct Part: Hashable, Sendable {
    var range: Range<UInt64>
    var sum: UInt32
  }

  /// In their order; none touches the next.
  private var parts: [Part] = []

  /// - Returns: false where some of it is known already, so that nobody can say any more what the sums are of.
  mutating func add(_ range: Range<UInt64>, _ sum: UInt32) -> Bool {
    guard !range.isEmpty else { return true }
    let index = parts.firstIndex { $0.range.lowerBound >= range.lowerBound } ?? parts.count
    let begins = index == 0 || parts[index - 1].range.upperBound <= range.lowerBound
    let ends = index == parts.count || range.upperBound <= parts[index].range.lowerBound
    guard begins, ends else { return false }
    parts.insert(Part(range: range, sum: sum), at: index)
    join(index)
    if index > 0 { join(index - 1) }
    return true
  }

  /// The checksum of a content of this size; nil unless all of it has come.
  func whole(_ size: UInt64) -> UInt32? {
    parts.count == 1 && parts[0].range == 0..<size ? parts[0].sum : nil
  }

  private mutating func join(_ index: Int) {
    guard index + 1 < parts.count else { return }
    let (first, second) = (parts[index], parts[index + 1])
    guard first.range.upperBound == second.range.lowerBound else { return }
    let length = second.range.upperBound - second.range.lowerBound
    parts[index].sum = Self.multiplied(first.sum, Self.power(ofBytes: length)) ^ second.sum
    parts[index].range = first.range.lowerBound..<second.range.upperBound
    parts.remove(at: index + 1)
  }

  // MARK: - polynomials over one bit, the highest bit of a word being x⁰, as the checksum has it

  /// The polynomial of CRC-32 (ISO 3309), without its highest term.
  private static let modulus: UInt32 = 0xedb8_8320
  private static let one: UInt32 = 1 << 31

  /// Appending a byte multiplies what came before by x⁸.
  private static func power(ofBytes count: UInt64) -> UInt32 {
    var (result, square, left) = (one, one >> 8, count)
    while left > 0 {
      if left & 1 == 1 { result = multiplied(result, square) }
      square = multiplied(square, square)
      left >>= 1
    }
    return result
  }

  private static func multiplied(_ left: UInt32, _ right: UInt32) -> UInt32 {
    var (product, shifted): (UInt32, UInt32) = (0, right)
    for degree in 0..<32 {
      if left & (one >> UInt32(degree)) != 0 { product ^= shifted }
      shifted = shifted & 1 == 0 ? shifted >> 1 : shifted >> 1 ^ modulus
    }
    return product
  }
}
