/// A spreadsheet in the Office Open XML format (ECMA-376), just enough of it for LibreOffice, Excel and openpyxl to open.
struct Workbook: Sendable {
  enum Cell: Sendable, Equatable {
    case text(String)
    case number(Double)
  }

  struct Sheet: Sendable {
    var name: String
    /// The first row is the heading: bold, and it stays in sight.
    var rows: [[Cell]]
    /// In characters, by column.
    var widths: [Int]
  }

  var sheets: [Sheet]

  /// The workbook's file.
  var bytes: [UInt8] {
    var parts: [(String, String)] = [
      ("[Content_Types].xml", contentTypes), ("_rels/.rels", Self.packageRelations),
      ("xl/workbook.xml", workbook), ("xl/_rels/workbook.xml.rels", workbookRelations), ("xl/styles.xml", Self.styles),
    ]
    for (index, sheet) in sheets.enumerated() { parts.append(("xl/worksheets/sheet\(index + 1).xml", Self.xml(sheet))) }
    return ZipStream.bytes(parts.map { SimulatedFile(path: $0.0, text: Self.prolog + $0.1) }, style: Self.style)
  }

  // Old spreadsheet programs know neither data descriptors nor extra fields.
  private static let style = ZipStyle(sizes: .inLocalHeader, extendedTimestamps: false)
  private static let prolog = #"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"# + "\n"
  private static let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
  private static let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
  private static let packageNamespace = "http://schemas.openxmlformats.org/package/2006"
  private static let mediaType = "application/vnd.openxmlformats-officedocument.spreadsheetml"

  private var contentTypes: String {
    let overrides =
      [("/xl/workbook.xml", "sheet.main+xml"), ("/xl/styles.xml", "styles+xml")]
      + sheets.indices.map { ("/xl/worksheets/sheet\($0 + 1).xml", "worksheet+xml") }
    return """
      <Types xmlns="\(Self.packageNamespace)/content-types">\
      <Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>\
      <Default Extension="xml" ContentType="application/xml"/>
      """
        + overrides.map { #"<Override PartName="\#($0.0)" ContentType="\#(Self.mediaType).\#($0.1)"/>"# }.joined()
        + "</Types>"
  }

  private static let packageRelations = """
    <Relationships xmlns="\(packageNamespace)/relationships">\
    <Relationship Id="rId1" Type="\(relations)/officeDocument" Target="xl/workbook.xml"/></Relationships>
    """

  private var workbook: String {
    let entries = sheets.enumerated().map {
      #"<sheet name="\#(Self.escaped($0.element.name))" sheetId="\#($0.offset + 1)" r:id="rId\#($0.offset + 1)"/>"#
    }
    return #"<workbook xmlns="\#(Self.main)" xmlns:r="\#(Self.relations)"><sheets>"# + entries.joined()
      + "</sheets></workbook>"
  }

  private var workbookRelations: String {
    let entries = sheets.indices.map {
      #"<Relationship Id="rId\#($0 + 1)" Type="\#(Self.relations)/worksheet" Target="worksheets/sheet\#($0 + 1).xml"/>"#
    }
    return #"<Relationships xmlns="\#(Self.packageNamespace)/relationships">"# + entries.joined()
      + #"<Relationship Id="rId\#(sheets.count + 1)" Type="\#(Self.relations)/styles" Target="styles.xml"/></Relationships>"#
  }

  /// Cell format 0 is plain and 1 is bold. The two fills are demanded by the format.
  private static let styles = """
    <styleSheet xmlns="\(main)">\
    <fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>\
    <font><b/><sz val="11"/><name val="Calibri"/></font></fonts>\
    <fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>\
    <borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>\
    <cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>\
    <cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>\
    <xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs>\
    <cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>
    """

  private static func xml(_ sheet: Sheet) -> String {
    let columns = sheet.widths.enumerated().map {
      #"<col min="\#($0.offset + 1)" max="\#($0.offset + 1)" width="\#($0.element)" customWidth="1"/>"#
    }
    let rows = sheet.rows.enumerated().map { row in
      #"<row r="\#(row.offset + 1)">"#
        + row.element.enumerated().map { xml($0.element, row: row.offset, column: $0.offset) }.joined() + "</row>"
    }
    return #"<worksheet xmlns="\#(main)"><sheetViews><sheetView workbookViewId="0">"#
      + #"<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>"#
      + (columns.isEmpty ? "" : "<cols>" + columns.joined() + "</cols>")
      + "<sheetData>" + rows.joined() + "</sheetData></worksheet>"
  }

  private static func xml(_ cell: Cell, row: Int, column: Int) -> String {
    let place = #"r="\#(columnName(column))\#(row + 1)" s="\#(row == 0 ? 1 : 0)""#
    switch cell {
    case .number(let number): return "<c \(place)><v>\(number)</v></c>"
    // Inline strings need no table of shared ones.
    case .text(let text):
      return #"<c \#(place) t="inlineStr"><is><t xml:space="preserve">\#(escaped(text))</t></is></c>"#
    }
  }

  /// 0 is A, 25 Z, 26 AA.
  static func columnName(_ index: Int) -> String {
    var name = ""
    var rest = index + 1
    while rest > 0 {
      name = String(UnicodeScalar(UInt8(65 + (rest - 1) % 26))) + name
      rest = (rest - 1) / 26
    }
    return name
  }

  private static func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      // XML 1.0 knows no other control characters.
      case "\u{0}"..."\u{8}", "\u{b}", "\u{c}", "\u{e}"..."\u{1f}": continue
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}
