/// A tar made member by member (POSIX.1-2001, ustar with pax headers for names that don't fit).
struct TarStream {
  private static let block = 512

  /// Gives the archive to `output`, piece by piece.
  static func write(_ files: [SimulatedFile], _ output: ([UInt8]) throws -> Void) rethrows {
    for file in files {
      try output(headers(of: file))
      var offset: Int64 = 0
      while offset < file.size {
        let piece = file.bytes(at: offset, count: ZipStream.pieceSize)
        try output(piece)
        offset += Int64(piece.count)
      }
      try output(padding(after: file.size))
    }
    // Two empty blocks are the end.
    try output([UInt8](repeating: 0, count: 2 * block))
  }

  private static func headers(of file: SimulatedFile) -> [UInt8] {
    let isDirectory = file.name.last == UInt8(ascii: "/")
    let header = header(
      name: file.name, size: file.size, modified: file.modified, type: isDirectory ? "5" : "0",
      mode: isDirectory ? 0o755 : 0o644)
    guard file.name.count > 100 else { return header }
    let record = paxRecord("path", file.name)
    let extended = Self.header(
      name: Array("PaxHeaders/long".utf8), size: Int64(record.count), modified: file.modified, type: "x", mode: 0o644)
    return extended + record + padding(after: Int64(record.count)) + header
  }

  private static func header(name: [UInt8], size: Int64, modified: Int64, type: String, mode: Int64) -> [UInt8] {
    var fields: [[UInt8]] = [
      field(name, 100), octal(mode, 8), octal(0, 8), octal(0, 8), octal(size, 12), octal(modified, 12),
      [UInt8](repeating: UInt8(ascii: " "), count: 8), Array(type.utf8), field([], 100),
      Array("ustar\0".utf8) + Array("00".utf8),
      field([], 32), field([], 32), octal(0, 8), octal(0, 8), field([], 155), field([], 12),
    ]
    // The checksum counts its own field as spaces.
    let sum = fields.joined().reduce(0) { $0 + Int64($1) }
    fields[6] = octal(sum, 7) + [UInt8(ascii: " ")]
    return Array(fields.joined())
  }

  private static func field(_ bytes: [UInt8], _ width: Int) -> [UInt8] {
    let kept = bytes.prefix(width)
    return kept + [UInt8](repeating: 0, count: width - kept.count)
  }

  /// Digits to the field's last byte, which is NUL.
  private static func octal(_ value: Int64, _ width: Int) -> [UInt8] {
    let digits = Array(String(value, radix: 8).utf8).suffix(width - 1)
    return [UInt8](repeating: UInt8(ascii: "0"), count: width - 1 - digits.count) + digits + [0]
  }

  /// `LENGTH KEY=VALUE\n`, where the length counts itself.
  private static func paxRecord(_ key: String, _ value: [UInt8]) -> [UInt8] {
    let rest = Array(" \(key)=".utf8) + value + [UInt8(ascii: "\n")]
    var length = rest.count + 1
    while String(length).count + rest.count != length { length += 1 }
    return Array(String(length).utf8) + rest
  }

  private static func padding(after size: Int64) -> [UInt8] {
    let rest = Int(size % Int64(block))
    return rest == 0 ? [] : [UInt8](repeating: 0, count: block - rest)
  }
}
