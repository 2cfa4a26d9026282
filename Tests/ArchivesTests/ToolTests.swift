import Archives
import Foundation
import TestSupport
import Testing

/// Archives as programs write them that others made.
@Suite struct ToolTests {
  struct Tool: CustomTestStringConvertible, Sendable {
    let name: String
    /// Packs everything in the current directory into `$OUT`.
    let command: String
    var unreadable = false
    var testDescription: String { name }
  }

  private static func python(_ options: String, isStreamed: Bool = false) -> String {
    let target = isStreamed ? "Pipe()" : "os.environ['OUT']"
    return """
      python3 - <<'END'
      import os, zipfile
      class Pipe:
          def __init__(self): self.file = open(os.environ['OUT'], 'wb')
          def write(self, data): return self.file.write(data)
          def flush(self): self.file.flush()
      with zipfile.ZipFile(\(target), 'w', \(options)) as zip:
          for folder, folders, files in os.walk('.'):
              for name in sorted(folders) + sorted(files): zip.write(os.path.join(folder, name))
      END
      """
  }

  static let tools: [Tool] = [
    Tool(name: "zip", command: "zip -q -r $OUT ."),
    Tool(name: "zip -0", command: "zip -q -0 -r $OUT ."),
    Tool(name: "zip to a pipe", command: "zip -q -r - . | cat > $OUT"),
    Tool(name: "zip -0 to a pipe", command: "zip -q -0 -r - . | cat > $OUT"),
    Tool(
      name: "zip from a pipe",
      command:
        "cat numbers.txt | zip -q - - | cat > $OUT; mkdir gone; mv [!g-]* .h* gone; mv gone/numbers.txt ./-; rm -r gone"
    ),
    Tool(name: "zip, bzip2", command: "zip -q -Z bzip2 -r $OUT ."),
    Tool(name: "7z", command: "7z a -bd -tzip $OUT . >/dev/null"),
    Tool(name: "7z, bzip2", command: "7z a -bd -tzip -mm=BZip2 $OUT . >/dev/null"),
    Tool(name: "7z, LZMA", command: "7z a -bd -tzip -mm=LZMA $OUT . >/dev/null"),
    Tool(name: "7z, PPMd", command: "7z a -bd -tzip -mm=PPMd $OUT . >/dev/null"),
    Tool(name: "7z, XZ", command: "7z a -bd -tzip -mm=xz $OUT . >/dev/null"),
    Tool(name: "7z, Deflate64", command: "7z a -bd -tzip -mm=Deflate64 $OUT . >/dev/null", unreadable: true),
    Tool(name: "bsdtar", command: "bsdtar -c --format zip -f $OUT ."),
    Tool(name: "bsdtar to a pipe", command: "bsdtar -c --format zip -f - . | cat > $OUT"),
    Tool(name: "python, stored", command: python("zipfile.ZIP_STORED")),
    Tool(name: "python, deflated", command: python("zipfile.ZIP_DEFLATED")),
    Tool(name: "python, bzip2", command: python("zipfile.ZIP_BZIP2")),
    Tool(name: "python, LZMA", command: python("zipfile.ZIP_LZMA")),
    Tool(name: "python, stored, streamed", command: python("zipfile.ZIP_STORED", isStreamed: true)),
    Tool(name: "python, deflated, streamed", command: python("zipfile.ZIP_DEFLATED", isStreamed: true)),
    Tool(name: "python, bzip2, streamed", command: python("zipfile.ZIP_BZIP2", isStreamed: true)),
    Tool(name: "python, LZMA, streamed", command: python("zipfile.ZIP_LZMA", isStreamed: true)),
  ]

  @Test(arguments: tools)
  func readsBackWhatWasPacked(_ tool: Tool) async throws {
    let directory = try TemporaryDirectory("tool")
    let (root, archive) = (directory.file("tree"), directory.file("out.zip"))
    try SampleTree.make(root)
    let packed = try await ChildProcess.run(
      "/bin/sh", ["-c", tool.command], environment: ["OUT": archive], directory: root)
    try #require(packed.status == 0, "\(packed.errors)")
    let bytes = Array(try Data(contentsOf: URL(filePath: archive)))
    let expected = try SampleTree.files(root)
    let seed = UInt64.random(in: 0...UInt64.max)
    print("chunking seed \(seed)")
    for chunking in [Chunking.whole, .random(seed: seed, upTo: 50_000), .random(seed: seed, upTo: 100), .bytewise] {
      if case .bytewise = chunking, bytes.count > 100_000 { continue }
      let reading = try Reading.of(bytes, chunking)
      #expect(reading.failure == nil)
      if tool.unreadable {
        #expect(reading.sink.failed.contains { $0.failure?.kind == .unsupportedMethod })
        #expect(reading.sink.contents.allSatisfy { expected[$0.key] == $0.value })
      } else {
        #expect(reading.sink.failed.isEmpty)
        #expect(reading.sink.contents == expected)
        #expect(reading.total == expected.values.reduce(0) { $0 + Int64($1.count) })
      }
    }
    try checkPackage(bytes, tool, expected)
  }

  /// The same archive read from its end, member by member.
  private func checkPackage(_ bytes: [UInt8], _ tool: Tool, _ expected: [String: [UInt8]]) throws {
    var generator = SeededGenerator(seed: UInt64(bytes.count))
    let client = PackageClient(bytes: bytes)
    let files = try #require(try client.listing(tail: 1_000).directory).files
    #expect(Set(files.map { $0.member.path.description }) == Set(expected.keys))
    #expect(tool.unreadable == files.contains { $0.refusal?.kind == .unsupportedMethod })
    for file in files where file.refusal == nil {
      let content = try client.content(MemberPlace(file), upTo: 20_000, &generator)
      #expect(content == expected[file.member.path.description], "\(file.member.path)")
    }
  }
}
