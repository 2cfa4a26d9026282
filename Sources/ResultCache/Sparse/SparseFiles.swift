import Glibc

/// The files of a member that arrives in parts, and how its bytes lie in blocks. Blocking.
final class SparseFiles: Sendable {
  let size: UInt64
  let map: SparseMap
  /// For readers: marks the object as being read as long as any duplicate is open.
  let reading: Descriptor
  private let writing: Descriptor

  init(path: String, mapPath: String, size: UInt64) throws(CacheFailure) {
    self.size = size
    writing = try Descriptor.open(path, O_RDWR | O_CREAT)
    // Whoever comes second finds the size right; nobody makes it smaller.
    if try writing.stamp().size < Int64(size), ftruncate(writing.number, off_t(size)) != 0 {
      throw CacheFailure(errno: errno, "can't make room for a member of \(size) bytes")
    }
    reading = try Descriptor.open(path, O_RDONLY)
    try ReadMark.set(on: reading)
    // What the kernel read ahead would be holes.
    _ = posix_fadvise(reading.number, 0, 0, POSIX_FADV_RANDOM)
    map = try SparseMap(mapPath, count: BlockMath.count(of: size))
  }

  /// - Parameter makeRoom: called when the disk is full; true when it is worth another try.
  func write(
    _ bytes: UnsafeRawBufferPointer, at offset: UInt64, makeRoom: () throws(CacheFailure) -> Bool
  ) throws(CacheFailure) {
    var rest = bytes
    var position = offset
    while !rest.isEmpty {
      let count = pwrite(writing.number, rest.baseAddress, rest.count, off_t(position))
      if count > 0 {
        position += UInt64(count)
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        continue
      }
      let code = count == 0 ? ENOSPC : errno
      if code == EINTR { continue }
      if code == ENOSPC || code == EDQUOT, try makeRoom() { continue }
      throw CacheFailure(errno: code, "can't write to the cache")
    }
  }

  /// Reads as much of a range as there is.
  func read(_ range: Range<UInt64>, into buffer: UnsafeMutableRawBufferPointer) throws(CacheFailure)
    -> UnsafeRawBufferPointer
  {
    var filled = 0
    let wanted = min(buffer.count, Int(range.upperBound - range.lowerBound))
    while filled < wanted {
      let count = pread(
        writing.number, buffer.baseAddress.map { $0 + filled }, wanted - filled, off_t(range.lowerBound) + off_t(filled)
      )
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw CacheFailure(errno: errno, "can't read a cached file") }
      if count == 0 { break }
      filled += count
    }
    return UnsafeRawBufferPointer(rebasing: buffer[..<filled])
  }

  func startWriteback(_ range: Range<UInt64>) {
    LinuxCalls.startWriteback(
      writing.number, from: Int64(range.lowerBound), count: Int64(range.upperBound - range.lowerBound))
  }

  /// Returns once all bytes that were written are on the disk, whoever wrote them.
  func synchronize() throws(CacheFailure) { try writing.synchronize() }

  /// There are no holes any more.
  func allowReadAhead() { _ = posix_fadvise(reading.number, 0, 0, POSIX_FADV_NORMAL) }

  /// Lets the next reads come from the disk. A hint: pages in use stay.
  func forgetPages() { _ = posix_fadvise(writing.number, 0, 0, POSIX_FADV_DONTNEED) }

  /// Whether nobody else has the object open. Takes the readers' mark away from everybody who shares this one's.
  func isOnlyReader() throws(CacheFailure) -> Bool { try FileLock.attempt(reading.number, .exclusive) }

  func stamp() throws(CacheFailure) -> ObjectStamp { try reading.stamp() }
}

/// Between bytes and blocks.
enum BlockMath {
  private static let blockSize = UInt64(SparseObject.blockSize)

  static func count(of size: UInt64) -> Int { Int((size + blockSize - 1) / blockSize) }

  /// The blocks that a range of bytes touches.
  static func blocks(of range: Range<UInt64>, in size: UInt64) -> Range<Int> {
    let upper = min(range.upperBound, size)
    guard range.lowerBound < upper else { return 0..<0 }
    return Int(range.lowerBound / blockSize)..<Int((upper + blockSize - 1) / blockSize)
  }

  /// The bytes of a run of blocks; the last one of the member may be short.
  static func bytes(of run: Range<Int>, in size: UInt64) -> Range<UInt64> {
    let lower = UInt64(run.lowerBound) * blockSize
    return min(lower, size)..<min(UInt64(run.upperBound) * blockSize, size)
  }

  static func length(of run: Range<Int>, in size: UInt64) -> Int64 {
    let bytes = bytes(of: run, in: size)
    return Int64(bytes.upperBound - bytes.lowerBound)
  }

  /// Bytes of a set of blocks.
  static func length(of set: BlockSet, in size: UInt64) -> Int64 {
    guard set.count > 0 else { return 0 }
    let last = set.count - 1
    let full = Int64(set.number(in: 0..<last)) * Int64(blockSize)
    return full + (set.contains(last) ? length(of: last..<set.count, in: size) : 0)
  }
}
