import FileSystem
import Testing

@testable import TaskTree

@Suite("The tree of names in a task's results")
struct ResultIndexTests {
  private func file(_ path: String, size: UInt64 = 1, ordinal: Int = 0) -> ResultIndex.File {
    ResultIndex.File(
      ordinal: ordinal, components: path.split(separator: "/").map(String.init), size: size,
      modified: Timestamp(seconds: 0), crc32: nil, failure: nil)
  }

  @Test("Directories come with the files in them, in the archive's order")
  func directories() {
    var index = ResultIndex()
    for path in ["b/z.json", "a.xlsx", "b/c/d.json"] { index.insert(file(path)) }
    #expect(index.children(of: [])?.map(\.name) == ["b", "a.xlsx"])
    #expect(index.children(of: ["b"])?.map(\.name) == ["z.json", "c"])
    #expect(index.children(of: ["b", "c"])?.map(\.isDirectory) == [false])
    #expect(index.children(of: ["nothing"]) == nil)
  }

  @Test("Names that only Unicode holds to be equal are two files")
  func bytes() {
    var index = ResultIndex()
    index.insert(file("é", size: 1))
    index.insert(file("e\u{301}", size: 2))
    #expect(index.children(of: [])?.count == 2)
    #expect(index.file(["é"])?.size == 1)
    #expect(index.file(["e\u{301}"])?.size == 2)
  }

  @Test("A file that is published again replaces itself")
  func replaces() {
    var index = ResultIndex()
    index.insert(file("a", size: 10))
    index.insert(file("a", size: 7))
    #expect(index.children(of: [])?.count == 1)
    #expect(index.totalSize == 7)
    #expect(index.fileCount == 1)
  }
}
