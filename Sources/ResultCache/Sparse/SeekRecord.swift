import Glibc

/// Where a seek point stands in its file.
///
/// Records begin at multiples of 4 KiB, so that those after a damaged one are found again, and have a head that tells by itself
/// whether it is one: magic, length, place in the compressed and in the decoded content, checksum of the snapshot, and a mix of
/// all of these.
struct SeekRecord: Hashable, Sendable {
  static let alignment: Int64 = 4_096
  private static let headLength = 48
  /// "tollseek".
  private static let magic: UInt64 = 0x746f_6c6c_7365_656b

  let offset: Int64
  let length: Int
  let consumed: UInt64
  let produced: UInt64
  let checksum: UInt32

  var end: Int64 { Self.aligned(offset + Int64(Self.headLength + length)) }

  static func aligned(_ offset: Int64) -> Int64 { (offset + alignment - 1) / alignment * alignment }

  private static func head(_ length: Int, _ consumed: UInt64, _ produced: UInt64, _ checksum: UInt32) -> [UInt64] {
    let words = [magic, UInt64(length), consumed, produced, UInt64(checksum)]
    return words + [words.reduce(UInt64(1)) { ($0 ^ $1) &* 0x9e37_79b9_7f4a_7c15 }]
  }

  /// The bytes of a record, filled up to the next multiple.
  static func encode(_ point: SeekPoint, checksum: Checksum) -> [UInt8] {
    let sum = point.snapshot.withUnsafeBytes { checksum($0, 0) }
    let head = head(point.snapshot.count, point.consumed, point.produced, sum)
    var bytes = head.flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } }
    bytes += point.snapshot
    return bytes + [UInt8](repeating: 0, count: Int(aligned(Int64(bytes.count))) - bytes.count)
  }

  /// Nil where no record begins.
  static func readHead(at offset: Int64, of file: Descriptor) throws(CacheFailure) -> SeekRecord? {
    let bytes = try read(headLength, at: offset, of: file)
    guard bytes.count == headLength else { return nil }
    let words = stride(from: 0, to: headLength, by: 8).map { start in
      (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[start + $1]) << UInt64(8 * $1) }
    }
    guard let length = Int(exactly: words[1]), length < 1 << 30, let checksum = UInt32(exactly: words[4]),
      head(length, words[2], words[3], checksum) == words
    else { return nil }
    return SeekRecord(offset: offset, length: length, consumed: words[2], produced: words[3], checksum: checksum)
  }

  /// Nil where the snapshot is not what was written.
  static func read(_ record: SeekRecord, _ file: Descriptor, checksum: Checksum) throws(CacheFailure) -> SeekPoint? {
    let bytes = try read(record.length, at: record.offset + Int64(headLength), of: file)
    guard bytes.count == record.length, bytes.withUnsafeBytes({ checksum($0, 0) }) == record.checksum else {
      return nil
    }
    return SeekPoint(consumed: record.consumed, produced: record.produced, snapshot: bytes)
  }

  private static func read(_ count: Int, at offset: Int64, of file: Descriptor) throws(CacheFailure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let read = bytes.withUnsafeMutableBytes { pread(file.number, $0.baseAddress, $0.count, off_t(offset)) }
    guard read >= 0 else { throw CacheFailure(errno: errno, "can't read the seek points of a file") }
    return Array(bytes.prefix(read))
  }
}
