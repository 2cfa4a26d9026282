import Foundation
import Testing

@testable import tollfs

/// The page that documents the configuration, held against the code.
@Suite struct ConfigurationPageTests {
  private static let page: String = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let file = root.appendingPathComponent("Sources/tollfs/tollfs.docc/Configuration.md")
    return (try? String(contentsOf: file, encoding: .utf8)) ?? ""
  }()

  @Test func everyKeyIsDocumented() {
    var keys = Array(ConfigurationSchema.topKeys.keys) + Array(ConfigurationSchema.sourceKeys.keys)
    for (section, names) in ConfigurationSchema.sections {
      keys += names.keys.map { section == "budget" ? $0 : "\(section).\($0)" }
    }
    for key in keys { #expect(Self.page.contains("| `\(key)` |"), "\(key) is not on the page") }
  }

  @Test func everyDefaultIsAsDocumented() throws {
    let text = "sources:\n  s:\n    kind: memories-screenplay\nbudget:\n  daily: 1\n"
    for setting in try configuration(text).settings where setting.origin == .builtIn {
      guard let value = setting.text, !value.isEmpty, !value.contains("/"), setting.key != "crawlers" else { continue }
      let key = setting.key.replacingOccurrences(of: "sources.s.", with: "").replacingOccurrences(
        of: "budget.", with: "")
      let line = Self.page.split(separator: "\n").first { $0.hasPrefix("| `\(key)` |") }
      #expect(line?.contains("`\(value)`") == true, "\(key): \(value)")
    }
  }

  @Test func everyCrawlerIsListed() {
    for name in Crawlers.standard { #expect(Self.page.contains("`\(name)`")) }
  }
}
