import CZlib

/// A raw deflate stream through zlib.
///
/// A class, because zlib keeps a pointer to its `z_stream` and refuses one that has moved. Used by one download at a time
/// and never shared, so it isn't `Sendable`.
final class Deflater {
  private let stream: UnsafeMutablePointer<z_stream>
  private var scratch = [UInt8](repeating: 0, count: 65_536)

  init(level: Int32) {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    let status = tollfs_deflate_init_raw(stream, min(max(level, 1), 9))
    precondition(status == Z_OK, "zlib has no memory for a deflate stream")
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
  }

  /// Compresses `input` and appends what zlib gives up to `output`; with `finish`, everything up to the stream's end.
  func compress(_ input: [UInt8], finish: Bool, into output: inout [UInt8]) {
    input.withUnsafeBufferPointer { source in
      // zlib's field isn't const, but deflate only reads from it.
      stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
      stream.pointee.avail_in = UInt32(source.count)
      var room: UInt32 = 0
      repeat {
        scratch.withUnsafeMutableBufferPointer { target in
          stream.pointee.next_out = target.baseAddress
          stream.pointee.avail_out = UInt32(target.count)
          _ = deflate(stream, finish ? Z_FINISH : Z_NO_FLUSH)
        }
        room = stream.pointee.avail_out
        output.append(contentsOf: scratch[..<(scratch.count - Int(room))])
      } while room == 0
      stream.pointee.next_in = nil
    }
  }
}

/// CRC-32 as zip uses it (APPNOTE 4.4.7), going on from `crc`, which starts at 0.
func crc32(_ crc: UInt32, _ bytes: [UInt8]) -> UInt32 {
  // zlib answers a nil pointer with the initial value instead of the value given.
  guard !bytes.isEmpty else { return crc }
  return UInt32(truncatingIfNeeded: CZlib.crc32(UInt(crc), bytes, UInt32(bytes.count)))
}
