/// Columns that line up in a terminal.
public enum TextTable {
  /// One line a row, cells two spaces apart. No line ends in spaces.
  /// - Parameter rightAligned: columns whose cells end at the same place, as amounts do.
  public static func render(_ rows: [[String]], rightAligned: Set<Int> = []) -> String {
    var widths: [Int] = []
    for row in rows {
      for (index, cell) in row.enumerated() {
        if index == widths.count { widths.append(0) }
        widths[index] = max(widths[index], width(of: cell))
      }
    }
    return rows.map { row in
      let cells = row.enumerated().map { index, cell in
        let padding = String(repeating: " ", count: widths[index] - width(of: cell))
        return rightAligned.contains(index) ? padding + cell : cell + padding
      }
      let line = cells.joined(separator: "  ")
      guard let end = line.lastIndex(where: { $0 != " " }) else { return "\n" }
      return line[...end] + "\n"
    }.joined()
  }

  /// How many columns of a terminal a text takes: ids may well be Chinese, whose characters take two.
  static func width(of text: String) -> Int {
    text.reduce(0) { $0 + ($1.unicodeScalars.first.map(width) ?? 0) }
  }

  /// Unicode's East Asian Width, W and F, in its large blocks; whatever combines is part of the character before it.
  private static func width(of scalar: Unicode.Scalar) -> Int {
    switch scalar.value {
    case 0x1100...0x115f, 0x2e80...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60,
      0xffe0...0xffe6, 0x1f300...0x1faff, 0x20000...0x3fffd:
      2
    default: 1
    }
  }
}
