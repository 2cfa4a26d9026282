import Foundation
import TestSupport
import Testing

@testable import APISimulator

/// What the simulator writes, read by other people's programs.
@Suite struct ZipStyleTests {
  private static let files = [
    SimulatedFile(path: "namelist.json", text: #"{"characters":["Wren","林晓"]}"#),
    SimulatedFile(path: "第01集/场景_transcript.json", text: String(repeating: "下雨的夜晚。\n", count: 500)),
    SimulatedFile(path: "empty", bytes: []),
    SimulatedFile(path: "folder/", bytes: [], method: .stored),
    SimulatedFile(
      name: Array("noise.bin".utf8), content: .generated(GeneratedContent(seed: 7, size: 200_001)), method: .stored),
    SimulatedFile(
      name: Array("text.txt".utf8), content: .generated(GeneratedContent(seed: 8, size: 300_000, texture: .text)),
      method: .deflated(level: 1)),
  ]

  @Test(arguments: ZipStyle.named.map(\.name))
  func everyStyleReadsBackWithEveryReader(name: String) async throws {
    let style = try #require(ZipStyle.named.first { $0.name == name }?.style)
    let directory = try TemporaryDirectory("zip")
    let archive = directory.file("a.zip")
    try Data(ZipStream.bytes(Self.files, style: style)).write(to: URL(fileURLWithPath: archive))

    let unzip = try await ChildProcess.run("unzip", ["-t", archive])
    #expect(unzip.status == 0, "\(unzip.output)\(unzip.errors)")
    let sevenZip = try await ChildProcess.run("7z", ["t", archive])
    #expect(sevenZip.status == 0, "\(sevenZip.output)")
    let python = try await ChildProcess.run(
      "python3",
      [
        "-c",
        """
        import sys, zipfile
        z = zipfile.ZipFile(sys.argv[1])
        assert z.testzip() is None
        for i in z.infolist(): print(i.filename, i.file_size)
        """, archive,
      ])
    #expect(python.status == 0, "\(python.errors)")
    #expect(
      python.output.split(separator: "\n")
        == Self.files.map { "\(String(decoding: $0.name, as: UTF8.self)) \($0.size)" }.map { $0[...] })
    try await compareExtracted(archive, directory)
  }

  private func compareExtracted(_ archive: String, _ directory: TemporaryDirectory) async throws {
    let out = directory.file("out")
    try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
    let bsdtar = try await ChildProcess.run("bsdtar", ["-xf", archive, "-C", out], environment: ["LC_ALL": "C.UTF-8"])
    #expect(bsdtar.status == 0, "\(bsdtar.errors)")
    for file in Self.files where file.name.last != UInt8(ascii: "/") {
      let path = out + "/" + String(decoding: file.name, as: UTF8.self)
      let found = FileManager.default.contents(atPath: path).map { [UInt8]($0) }
      #expect(difference(found ?? [], file.bytes(at: 0, count: Int(file.size))) == nil, "\(path)")
      #expect(found != nil, "\(path)")
      var status = stat()
      #expect(stat(path, &status) == 0)
      #expect(Int64(status.st_mtim.tv_sec) == file.modified)
    }
  }

  @Test(arguments: ZipStyle.named.map(\.name))
  func theLengthIsKnownBeforehand(name: String) throws {
    let style = try #require(ZipStyle.named.first { $0.name == name }?.style)
    #expect(ZipStream.length(Self.files, style: style) == Int64(ZipStream.bytes(Self.files, style: style).count))
  }

  @Test func localHeadersSayWhatTheStylePromises() {
    let file = SimulatedFile(path: "a", text: "hello", method: .stored)
    func flags(_ style: ZipStyle) -> UInt8 { ZipStream.bytes([file], style: style)[6] }
    #expect(flags(.seekable) & 8 == 0)
    #expect(flags(.streamed) & 8 == 8)
    let signature: [UInt8] = [0x50, 0x4b, 7, 8]
    func hasSignature(_ style: ZipStyle) -> Bool {
      let bytes = ZipStream.bytes([file], style: style)
      return bytes.indices.dropLast(4).contains { Array(bytes[$0..<($0 + 4)]) == signature }
    }
    #expect(hasSignature(.streamed))
    #expect(!hasSignature(.streamedWithoutSignature))
    #expect(!hasSignature(.seekable))
  }

  @Test func noFilesAndManyFiles() async throws {
    let directory = try TemporaryDirectory("zip")
    // Beyond 65,535 members the end record needs zip64 by itself.
    let many = (0..<65_540).map { SimulatedFile(path: "f\($0)", bytes: [], method: .stored) }
    for (name, files) in [("none", []), ("many", many)] {
      let archive = directory.file(name)
      try Data(ZipStream.bytes(files, style: .seekable)).write(to: URL(fileURLWithPath: archive))
      let python = try await ChildProcess.run(
        "python3", ["-c", "import sys,zipfile; print(len(zipfile.ZipFile(sys.argv[1]).namelist()))", archive])
      #expect(python.output == "\(files.count)\n", "\(python.errors)")
    }
  }

  @Test func aDownloadIsTheZip() async throws {
    let task = SimulatedTask(id: "t", files: Self.files, style: .streamedZip64)
    try await withSimulator([task]) { simulator in
      let answer = try await Curl().get(simulator.downloadURL("t"))
      #expect(difference(answer.body, ZipStream.bytes(Self.files, style: .streamedZip64)) == nil)
    }
  }

  @Test(arguments: [(0, 0), (1_773_394_200, 0x5c6d_4bc0), (4_000_000_000_000, 0xff9f_bf7d)])
  func timestamps(seconds: Int64, packed: UInt32) {
    let stamp = DOSTimestamp(seconds)
    let expected = packed == 0 ? 0x0021_0000 : packed
    #expect(UInt32(stamp.date) << 16 | UInt32(stamp.time) == expected)
  }
}
