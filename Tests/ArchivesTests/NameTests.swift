import Archives
import Foundation
import Testing

/// What becomes of names.
@Suite struct NameTests {
  typealias Entry = ZipBuilder.Entry

  private func paths(_ names: [String], charset: NameCharset = .automatic) throws -> [[String]] {
    try paths(names.map { Entry($0, "x") }, charset: charset)
  }

  private func paths(_ entries: [Entry], charset: NameCharset = .automatic) throws -> [[String]] {
    var options = ArchiveOptions.testing
    options.nameCharset = charset
    let reading = try Reading.of(ZipBuilder(entries).finished(), options: options)
    #expect(reading.failure == nil)
    return reading.sink.whole.map(\.member.path.components)
  }

  @Test func nothingEscapes() throws {
    let names = [
      "../../etc/passwd", "/etc/shadow", "a/../../b", "./c", "a//d", "..", "...", "C:\\x", "..\\y", "a\0b",
      "t\u{1b}[2J",
      "\u{85}e",
    ]
    #expect(
      try paths(names) == [
        ["etc", "passwd"], ["etc", "shadow"], ["a", "b"], ["c"], ["a", "d"], ["unnamed"], ["..."], ["C:\\x"],
        ["..\\y"], ["a_b"], ["t_[2J"], ["_e"],
      ])
  }

  @Test func longNamesAreCutButStayApart() throws {
    let long = String(repeating: "长", count: 100)
    let found = try paths([long + "1.json", long + "2.json", String(repeating: "a", count: 300)])
    #expect(found.allSatisfy { $0.count == 1 && $0[0].utf8.count <= 255 })
    #expect(Set(found).count == 3)
    #expect(found[0][0].hasSuffix(".json") && found[0][0].hasPrefix("长长长"))
    #expect(try paths([long + "1.json"]) == [found[0]])
    let deep = try paths([String(repeating: "directory/", count: 1_000) + "file.txt"])[0]
    #expect(deep.joined(separator: "/").utf8.count <= 3_072)
    #expect(deep.last == "file.txt" && deep.first == "directory")
  }

  @Test func duplicatesGetAStableNumber() throws {
    #expect(
      try paths(["a/file.json", "a/file.json", "a/file_1.json", "a/file.json", ".x", ".x", "n", "n"])
        == [
          ["a", "file.json"], ["a", "file_1.json"], ["a", "file_1_1.json"], ["a", "file_2.json"], [".x"], [".x_1"],
          ["n"],
          ["n_1"],
        ])
  }

  @Test func filesAndDirectoriesNeverShareAName() throws {
    #expect(
      try paths(["x", "x/inside", "x/other", "y/inside", "y"]) == [
        ["x"], ["x_1", "inside"], ["x_1", "other"], ["y", "inside"], ["y_1"],
      ])
    let reading = try Reading.of(ZipBuilder([Entry("x", "x"), Entry("x/"), Entry("x/f", "x")]).finished())
    #expect(reading.sink.directories.map(\.path.components) == [["x_1"]])
    #expect(reading.sink.whole.last?.member.path.components == ["x_1", "f"])
  }

  @Test func manyEqualNamesTakeNoLonger() throws {
    let found = try paths([String](repeating: "same.txt", count: 5_000))
    #expect(found.last == ["same_4999.txt"])
  }

  private func entry(_ bytes: [UInt8], flags: UInt16 = 0, extra: [UInt8] = []) -> Entry {
    var entry = Entry("", "x")
    entry.name = bytes
    entry.flags = flags
    entry.extra = extra
    return entry
  }

  private func unicodePath(_ name: String, of bytes: [UInt8]) -> [UInt8] {
    let content = [1] + le(bytes.withUnsafeBytes { crc32($0) }, 4) + Array(name.utf8)
    return le(0x7075, 2) + le(content.count, 2) + content
  }

  @Test func charsetsInTheirOrder() throws {
    let gb18030 = try #require(NameCharset("GB18030"))
    let chinese: [UInt8] = [0xbc, 0xaf, 0xcd, 0xc5]
    // The flag goes before everything, if it tells the truth.
    let utf8 = Array("é".utf8)
    #expect(
      try paths([entry(utf8, flags: 1 << 11, extra: unicodePath("field", of: utf8))], charset: gb18030) == [["é"]])
    #expect(try paths([entry(chinese, flags: 1 << 11)], charset: gb18030) == [["集团"]])
    // Then the field, if it belongs to the name.
    #expect(try paths([entry(chinese, extra: unicodePath("field", of: chinese))], charset: gb18030) == [["field"]])
    #expect(try paths([entry(chinese, extra: unicodePath("field", of: utf8))], charset: gb18030) == [["集团"]])
    // Then UTF-8 that is valid, then the configured charset.
    #expect(try paths([entry(utf8)], charset: gb18030) == [["é"]])
    #expect(try paths([entry([0x82, 0xa0])], charset: #require(NameCharset("Shift_JIS"))) == [["あ"]])
    #expect(try paths([entry([0xb0, 0xa1])], charset: #require(NameCharset("EUC-KR"))) == [["가"]])
    // CP437 where that fails, and by itself.
    #expect(try paths([entry([0x41, 0xff])], charset: gb18030) == [["A\u{a0}"]])
    #expect(try paths([entry([0x80, 0x9b, 0xe1])], charset: #require(NameCharset("CP437"))) == [["Ç¢ß"]])
  }

  @Test func onlyKnownCharsetsAreAccepted() {
    #expect(NameCharset("auto") == .automatic)
    #expect(NameCharset.validate("BIG5"))
    for name in ["", "GB18031", "UTF-8//IGNORE", "CP 437"] { #expect(NameCharset(name) == nil, "\(name)") }
  }
}
