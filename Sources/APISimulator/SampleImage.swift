/// A picture with a place on Earth: an uncompressed TIFF (revision 6.0) of one band of 16 bits, with the tags of GeoTIFF 1.1.
struct SampleImage {
  let width: Int
  let height: Int
  /// Longitude and latitude of the upper left corner, in degrees (EPSG:4326).
  let corner: (Double, Double)
  /// Degrees a pixel.
  let resolution: Double
  /// The value at a column and row.
  let value: (Int, Int) -> UInt16

  private enum Kind: UInt16 {
    case short = 3
    case long = 4
    case double = 12
  }

  /// One entry of the image's directory, its values as they stand in the file.
  private struct Entry {
    var tag: UInt16
    var kind: Kind
    var count: Int
    var bytes: [UInt8]
  }

  var bytes: [UInt8] {
    var pixels = Record()
    for row in 0..<height { for column in 0..<width { pixels.add16(value(column, row)) } }
    let entries = entries(pixels: pixels.bytes.count)
    var out = Record()
    out.add16(0x4949)  // "II": the lowest byte first
    out.add16(42)
    out.add32(8)  // where the directory is: right here
    out.add16(UInt16(entries.count))
    // Values of more than four bytes stand behind the directory, in its order.
    var place = Self.directorySize(entries)
    for entry in entries {
      out.add16(entry.tag)
      out.add16(entry.kind.rawValue)
      out.add32(UInt32(entry.count))
      if entry.bytes.count > 4 {
        out.add32(UInt32(place))
        place += entry.bytes.count
      } else {
        out.bytes += entry.bytes + [UInt8](repeating: 0, count: 4 - entry.bytes.count)
      }
    }
    out.add32(0)  // no further directory
    for entry in entries where entry.bytes.count > 4 { out.bytes += entry.bytes }
    return out.bytes + pixels.bytes
  }

  /// From the file's beginning to the directory's end.
  private static func directorySize(_ entries: [Entry]) -> Int { 8 + 2 + 12 * entries.count + 4 }

  /// In ascending order of their tags, as the format wants it.
  private func entries(pixels: Int) -> [Entry] {
    var entries = [
      short(256, width), short(257, height), short(258, 16), short(259, 1), short(262, 1), long(273, 0),
      short(277, 1), short(278, height), long(279, pixels), short(339, 1),
      double(33_550, [resolution, resolution, 0]), double(33_922, [0, 0, 0, corner.0, corner.1, 0]),
      // Version 1.1 with three keys: geographic, pixels are areas, WGS 84.
      short(34_735, 1, 1, 0, 3, 1_024, 0, 1, 2, 1_025, 0, 1, 1, 2_048, 0, 1, 4_326),
    ]
    // The pixels' place is known once everything before them is.
    let start = Self.directorySize(entries) + entries.map(\.bytes.count).filter { $0 > 4 }.reduce(0, +)
    for index in entries.indices where entries[index].tag == 273 { entries[index] = long(273, start) }
    return entries
  }

  private func short(_ tag: UInt16, _ values: Int...) -> Entry {
    var record = Record()
    for value in values { record.add16(UInt16(value)) }
    return Entry(tag: tag, kind: .short, count: values.count, bytes: record.bytes)
  }

  private func long(_ tag: UInt16, _ value: Int) -> Entry {
    var record = Record()
    record.add32(UInt32(value))
    return Entry(tag: tag, kind: .long, count: 1, bytes: record.bytes)
  }

  private func double(_ tag: UInt16, _ values: [Double]) -> Entry {
    var record = Record()
    for value in values { record.add64(value.bitPattern) }
    return Entry(tag: tag, kind: .double, count: values.count, bytes: record.bytes)
  }
}
