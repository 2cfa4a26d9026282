import Archives

/// Writes zip archives as the various tools in the world do, wrongly too where a test asks for it.
struct ZipBuilder {
  enum Descriptor: CaseIterable {
    case none, signed32, unsigned32, signed64, unsigned64

    func bytes(crc32: UInt32, compressedSize: Int, size: Int) -> [UInt8] {
      let signature: [UInt8] = self == .signed32 || self == .signed64 ? le(0x0807_4b50, 4) : []
      switch self {
      case .none: return []
      case .signed32, .unsigned32: return signature + le(crc32, 4) + le(compressedSize, 4) + le(size, 4)
      case .signed64, .unsigned64: return signature + le(crc32, 4) + le(compressedSize, 8) + le(size, 8)
      }
    }
  }

  struct Entry {
    var name: [UInt8]
    var content: [UInt8] = []
    var isDeflated = false
    var descriptor = Descriptor.none
    /// Sizes in the Zip64 extra field, in both headers.
    var isZip64 = false
    var flags: UInt16 = 0
    /// Written instead of the real one.
    var method: UInt16?
    var extra: [UInt8] = []
    var dosTime: UInt16 = 0
    var dosDate: UInt16 = 0x5a21
    /// The checksum that the headers claim, if not the real one.
    var claimedChecksum: UInt32?

    init(_ name: String, _ content: String = "", isDeflated: Bool = false, descriptor: Descriptor = .none) {
      self.name = Array(name.utf8)
      self.content = Array(content.utf8)
      self.isDeflated = isDeflated
      self.descriptor = descriptor
    }
  }

  private(set) var bytes: [UInt8] = []
  /// Where each entry's local header begins.
  private(set) var offsets: [Int] = []
  private var directory: [UInt8] = []

  init(prefix: [UInt8] = []) {
    bytes = prefix
  }

  init(_ entries: [Entry]) {
    for entry in entries { add(entry) }
  }

  mutating func add(_ entry: Entry) {
    let data = entry.isDeflated ? deflated(entry.content) : entry.content
    let checksum = entry.claimedChecksum ?? entry.content.withUnsafeBytes { crc32($0) }
    let flags = entry.flags | (entry.descriptor == .none ? 0 : 8)
    let method = entry.method ?? (entry.isDeflated ? 8 : 0)
    let sizes: (Int, Int) = entry.isZip64 ? (0xffff_ffff, 0xffff_ffff) : (data.count, entry.content.count)
    let zip64 = entry.isZip64 ? le(1, 2) + le(16, 2) + le(entry.content.count, 8) + le(data.count, 8) : []
    let common = le(flags, 2) + le(method, 2) + le(entry.dosTime, 2) + le(entry.dosDate, 2)
    let known = common + le(checksum, 4) + le(sizes.0, 4) + le(sizes.1, 4)
    let isOpen = entry.descriptor != .none
    let local = isOpen ? common + le(0, 12) : known
    let localExtra = (isOpen ? [] : zip64) + entry.extra

    offsets.append(bytes.count)
    bytes += le(0x0403_4b50, 4) + le(20, 2) + local + le(entry.name.count, 2) + le(localExtra.count, 2)
    bytes += entry.name + localExtra + data
    bytes += entry.descriptor.bytes(crc32: checksum, compressedSize: data.count, size: entry.content.count)
    directory += le(0x0201_4b50, 4) + le(0x031e, 2) + le(20, 2) + known
    directory += le(entry.name.count, 2) + le(zip64.count + entry.extra.count, 2) + le(0, 10)
    directory += le(offsets[offsets.count - 1], 4) + entry.name + zip64 + entry.extra
  }

  /// Bytes between the entries that belong to none.
  mutating func addGap(_ gap: [UInt8]) {
    bytes += gap
  }

  func finished(comment: String = "", hasZip64End: Bool = false, count: Int? = nil) -> [UInt8] {
    let (start, entries) = (bytes.count, count ?? offsets.count)
    var end: [UInt8] = []
    if hasZip64End {
      end += le(0x0606_4b50, 4) + le(44, 8) + le(45, 2) + le(45, 2) + le(0, 8) + le(entries, 8) + le(entries, 8)
      end += le(directory.count, 8) + le(start, 8)
      end += le(0x0706_4b50, 4) + le(0, 4) + le(start + directory.count, 8) + le(1, 4)
    }
    let values =
      hasZip64End
      ? le(0xffff, 2) + le(0xffff, 2) + le(0xffff_ffff, 4) + le(0xffff_ffff, 4)
      : le(entries, 2) + le(entries, 2) + le(directory.count, 4) + le(start, 4)
    end += le(0x0605_4b50, 4) + le(0, 4) + values + le(comment.utf8.count, 2) + Array(comment.utf8)
    return bytes + directory + end
  }

  /// Deflate with the fixed code and literals only (RFC 1951, 3.2.6): longer than the content, but deflate.
  private func deflated(_ content: [UInt8]) -> [UInt8] {
    var writer = BitWriter()
    writer.put(1, 1)
    writer.put(1, 2)
    for byte in content {
      let (code, length) = byte < 144 ? (0x30 + Int(byte), 8) : (0x190 + Int(byte) - 144, 9)
      for bit in (0..<length).reversed() { writer.put(code >> bit & 1, 1) }
    }
    writer.put(0, 7)
    return writer.bytes
  }

  private struct BitWriter {
    var bytes: [UInt8] = []
    var used = 8

    mutating func put(_ value: Int, _ count: Int) {
      for bit in 0..<count {
        if used == 8 {
          bytes.append(0)
          used = 0
        }
        bytes[bytes.count - 1] |= UInt8(value >> bit & 1) << UInt8(used)
        used += 1
      }
    }
  }
}

/// A number as so many little-endian bytes.
func le(_ value: some BinaryInteger, _ count: Int) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: UInt64(truncatingIfNeeded: value) >> (8 * min(UInt64($0), 8))) }
}
