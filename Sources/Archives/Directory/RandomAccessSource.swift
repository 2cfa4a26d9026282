/// Bytes that can be read at any place: a file, or ranges over a network. May block.
public protocol RandomAccessSource: AnyObject {
  /// The number of bytes.
  var length: UInt64 { get }

  /// `count` bytes from `offset` on; fewer only where the source ends.
  func read(at offset: UInt64, count: Int) throws -> [UInt8]
}

/// The end of a stream whose beginning has gone by: offsets are those of the stream.
final class SpoolSource: RandomAccessSource {
  let spool: SpoolFile
  /// Where in the stream the spool begins.
  let start: UInt64

  init(_ spool: SpoolFile, start: UInt64) {
    self.spool = spool
    self.start = start
  }

  var length: UInt64 { start + UInt64(spool.length) }

  func read(at offset: UInt64, count: Int) throws -> [UInt8] {
    guard offset >= start else { return [] }
    return try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = try spool.read(at: offset - start, into: UnsafeMutableRawBufferPointer(buffer))
    }
  }

  /// Hands on `count` bytes from `offset` on, through a buffer that is used again.
  /// - Returns: false when `body` wants no more, or the source ends before.
  func forEachPiece(
    at offset: UInt64, count: UInt64, buffer: UnsafeMutableRawBufferPointer,
    _ body: (UnsafeRawBufferPointer) throws -> Bool
  ) throws -> Bool {
    var (position, left) = (offset, count)
    while left > 0 {
      let wanted = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(min(left, UInt64(buffer.count)))])
      let filled = try spool.read(at: position - start, into: wanted)
      guard filled > 0 else { return false }
      if try !body(UnsafeRawBufferPointer(rebasing: wanted[..<filled])) { return false }
      position += UInt64(filled)
      left -= UInt64(filled)
    }
    return true
  }
}
