import CISAL

/// The CRC-32 of zip, gzip and PNG (APPNOTE 4.4.7: reflected polynomial 0xEDB88320), computed by ISA-L.
///
/// - Parameter continuing: the checksum of the bytes before these, so that a stream is summed piece by piece.
public func crc32(_ bytes: UnsafeRawBufferPointer, continuing: UInt32 = 0) -> UInt32 {
  guard let base = bytes.baseAddress, !bytes.isEmpty else { return continuing }
  return crc32_gzip_refl(continuing, base.assumingMemoryBound(to: UInt8.self), UInt64(bytes.count))
}
