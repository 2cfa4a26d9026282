import Archives
import Testing

/// What does not fit into 32 bits.
@Suite struct HugeTests {
  /// Deflate with the fixed code (RFC 1951, 3.2.6): a zero, then 128 times "258 bytes like the last one" (13 bits each), and then
  /// so many times "258 bytes like those 32 KiB ago" (26 bits).
  private func zeros(farMatches: Int) -> [UInt8] {
    let length: [UInt8] = [1, 1, 0, 0, 0, 1, 0, 1]
    var bits: [UInt8] = [1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0]
    for _ in 0..<128 { bits += length + [0, 0, 0, 0, 0] }
    for _ in 0..<farMatches { bits += length + [1, 1, 1, 0, 1] + [UInt8](repeating: 1, count: 13) }
    bits += [0, 0, 0, 0, 0, 0, 0]
    return stride(from: 0, to: bits.count, by: 8).map { start in
      bits[start..<min(start + 8, bits.count)].reversed().reduce(0) { $0 << 1 | $1 }
    }
  }

  /// Four far matches fill thirteen bytes, so that the stream repeats itself from some byte on.
  private let periods = 4_165_000

  @Test func aMemberBeyond4GiB() throws {
    let short = zeros(farMatches: 8)
    let (head, period, tail) = (short[..<210], short[210..<223], zeros(farMatches: 4)[210...])
    let block = (0..<1_000).flatMap { _ in period }
    let size = 1 + 258 * (128 + 4 * (periods + 1))
    let compressedSize = head.count + 13 * periods + tail.count
    #expect(size > 1 << 32)

    let name = Array("zeros".utf8)
    let local = le(0x0403_4b50, 4) + le(45, 2) + le(8, 2) + le(8, 2) + le(0, 16) + le(name.count, 2) + le(0, 2) + name
    let checksum = checksumOfZeros(size)
    let behind = ZipBuilder.Descriptor.signed64.bytes(crc32: checksum, compressedSize: compressedSize, size: size)
    let start = local.count + compressedSize + behind.count
    let common = le(0x0201_4b50, 4) + le(45, 2) + le(45, 2) + le(8, 2) + le(8, 2) + le(0, 4) + le(checksum, 4)
    let central =
      common + le(compressedSize, 4) + le(0xffff_ffff, 4) + le(name.count, 2) + le(12, 2) + le(0, 10) + le(0, 4) + name
      + le(1, 2) + le(8, 2) + le(size, 8)
    let end = le(0x0605_4b50, 4) + le(0, 4) + le(1, 2) + le(1, 2) + le(central.count, 4) + le(start, 4) + le(0, 2)

    let sink = RecordingSink(keepsContent: false)
    let reader = ZipStreamReader(options: .testing, sink: sink)
    func feed(_ bytes: some Sequence<UInt8>) throws { try Array(bytes).withUnsafeBytes { try reader.consume($0) } }
    try feed(local + head)
    for _ in 0..<periods / 1_000 { try block.withUnsafeBytes { try reader.consume($0) } }
    try feed(Array(tail) + behind)
    #expect(sink.whole.first?.member.size?.bytes == Int64(size))
    try feed(central + end)
    try reader.finish()
    #expect(reader.totalSize.bytes == Int64(size))
  }

  private func checksumOfZeros(_ count: Int) -> UInt32 {
    let zeros = [UInt8](repeating: 0, count: 1 << 20)
    var (left, checksum): (Int, UInt32) = (count, 0)
    while left > 0 {
      checksum = zeros.withUnsafeBytes {
        crc32(UnsafeRawBufferPointer(rebasing: $0[..<min(left, $0.count)]), continuing: checksum)
      }
      left -= min(left, zeros.count)
    }
    return checksum
  }
}
