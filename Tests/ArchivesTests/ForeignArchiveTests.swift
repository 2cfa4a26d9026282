import Archives
import Foundation
import Tasks
import TestSupport
import Testing

extension Reading {
  /// Reads a whole tar, cpio or 7z.
  static func foreign(_ bytes: [UInt8], options: ArchiveOptions = .testing) throws -> Reading {
    let sink = RecordingSink()
    let reader = ForeignArchiveReader(options: options, sink: sink)
    do {
      try reader.read(BytesSource(bytes))
      return Reading(sink: sink, failure: nil, total: reader.totalSize.bytes)
    } catch let failure as ArchiveFailure {
      return Reading(sink: sink, failure: failure, total: reader.totalSize.bytes)
    }
  }
}

/// Archives that are no zip, as programs write them that others made.
@Suite struct ForeignArchiveTests {
  static let commands = [
    "bsdtar -c --format pax -f $OUT .", "bsdtar -c --format gnutar -f $OUT .", "bsdtar -c --format ustar -f $OUT .",
    "bsdtar -c --format v7tar -f $OUT .", "bsdtar -c --format cpio -f $OUT .", "bsdtar -c --format newc -f $OUT .",
    "tar -c --format=gnu -f $OUT .", "tar -c --format=pax -f $OUT .",
    "tar -cz -f $OUT .", "tar -cj -f $OUT .", "tar -cJ -f $OUT .", "bsdtar -c --zstd -f $OUT .",
    "bsdtar -c --lz4 -f $OUT .", "tar -c . | split -b 100000 --filter='gzip -9' - > $OUT",
    "7z a -bd -t7z $OUT.7z . >/dev/null && mv $OUT.7z $OUT",
    "7z a -bd -t7z -ms=off -m0=PPMd $OUT.7z . >/dev/null && mv $OUT.7z $OUT",
    "7z a -bd -t7z -mx=0 $OUT.7z . >/dev/null && mv $OUT.7z $OUT",
    """
    python3 -c 'import os, tarfile
    with tarfile.open(os.environ["OUT"], "w:xz") as tar: tar.add(".")'
    """,
  ]

  private func pack(_ command: String, _ directory: TemporaryDirectory, _ root: String) async throws -> [UInt8] {
    let archive = directory.file("out")
    let packed = try await ChildProcess.run("/bin/sh", ["-c", command], environment: ["OUT": archive], directory: root)
    try #require(packed.status == 0, "\(packed.errors)")
    return Array(try Data(contentsOf: URL(filePath: archive)))
  }

  @Test(arguments: commands)
  func readsBackWhatWasPacked(_ command: String) async throws {
    let directory = try TemporaryDirectory("foreign")
    let root = directory.file("tree")
    try SampleTree.make(root)
    let prepared = try await ChildProcess.shell(
      "cd '\(root)' && ln -s one symbolic && mkfifo pipe && touch -d @1700000000.5 one && chmod 0 one")
    try #require(prepared.status == 0, "\(prepared.errors)")
    let bytes = try await pack(command, directory, root)
    #expect(RecognizerTests.recognized(bytes).kind == .archive)

    let reading = try Reading.foreign(bytes)
    #expect(reading.failure == nil)
    #expect(reading.sink.failed.isEmpty)
    var expected = try SampleTree.files(root)
    expected["symbolic"] = Array("one".utf8)
    #expect(reading.sink.contents == expected)
    #expect(reading.sink.directories.contains { $0.path.description == "empty directory" })
    let one = try #require(reading.sink.whole.first { $0.member.path.description == "one" }).member
    #expect(one.modified.seconds == 1_700_000_000)
    #expect([0, 500_000_000].contains(one.modified.nanoseconds))
    #expect(reading.total == expected.values.reduce(0) { $0 + Int64($1.count) })
    // The same each time, whatever the system's order of the files was.
    #expect(try Reading.foreign(bytes).sink.files.map(\.member) == reading.sink.files.map(\.member))
  }

  @Test(arguments: ["pax", "gnutar", "ustar", "newc"])
  func secondNamesHoldTheFirst(_ format: String) async throws {
    let directory = try TemporaryDirectory("links")
    let root = directory.file("tree")
    let made = try await ChildProcess.shell("mkdir '\(root)' && cd '\(root)' && echo content > a && ln a b")
    try #require(made.status == 0)
    let bytes = try await pack("bsdtar -c --format \(format) -f $OUT a b", directory, root)
    let contents = try Reading.foreign(bytes).sink.contents
    let content = Array("content\n".utf8)
    // In this one the content comes with the last name.
    #expect(contents == (format == "newc" ? ["a": [], "b": content] : ["a": content, "b": Array("a".utf8)]))
  }

  @Test(arguments: ["--format=gnu", "--format=pax --sparse-version=0.1", "--format=pax --sparse-version=1.0"])
  func holesAreReadOut(_ format: String) async throws {
    let directory = try TemporaryDirectory("sparse")
    let root = directory.file("tree")
    let made = try await ChildProcess.shell(
      """
      mkdir '\(root)' && cd '\(root)' && truncate -s 700000 hole && truncate -s 700000 tail head
      echo first | dd of=tail conv=notrunc status=none; echo last | dd of=head bs=1 seek=699995 conv=notrunc status=none
      for at in 100000 300000 500000; do echo x | dd of=many bs=1 seek=$at conv=notrunc status=none; done
      """)
    try #require(made.status == 0, "\(made.errors)")
    let bytes = try await pack("tar -c --sparse \(format) -f $OUT .", directory, root)
    #expect(bytes.count < 200_000)
    let reading = try Reading.foreign(bytes)
    #expect(reading.failure == nil)
    #expect(reading.sink.contents == (try SampleTree.files(root)))
  }

  @Test func namesAreBytesMadeSafe() async throws {
    let directory = try TemporaryDirectory("names")
    let script = """
      import io, os, tarfile
      def write(tar, name, kind=tarfile.REGTYPE, link=''):
          info = tarfile.TarInfo(name)
          info.type, info.linkname = kind, link
          data = name.encode('utf-8', 'surrogateescape') if kind == tarfile.REGTYPE else b''
          info.size = len(data)
          tar.addfile(info, io.BytesIO(data))
      for format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
          with tarfile.open('out%d' % format, 'w', format=format, errors='surrogateescape') as tar:
              for name in ('/etc/passwd', '../../climb', 'a/./b', 'a/b', 'e\\u0301', '\\u00e9', '\\udcc4\\udce3', 'x/' * 60 + 'deep'):
                  write(tar, name)
              write(tar, 'out', tarfile.SYMTYPE, '../../../etc/shadow')
              write(tar, 'null', tarfile.CHRTYPE)
              write(tar, 'last')
      """
    let made = try await ChildProcess.run("python3", ["-c", script], directory: directory.path)
    try #require(made.status == 0, "\(made.errors)")
    var options = ArchiveOptions.testing
    options.nameCharset = try #require(NameCharset("GB18030"))
    for format in [1, 2] {
      let file = directory.file(format == 1 ? "out1" : "out2")
      let reading = try Reading.foreign(Array(try Data(contentsOf: URL(filePath: file))), options: options)
      #expect(reading.failure == nil)
      let names = reading.sink.whole.map { Array($0.member.path.description.utf8) }
      let expected = [
        "etc/passwd", "climb", "a/b", "a/b_1", "e\u{301}", "\u{e9}", "你", String(repeating: "x/", count: 60) + "deep",
        "out", "last",
      ]
      #expect(names == expected.map { Array($0.utf8) })
      #expect(reading.sink.contents["out"] == Array("../../../etc/shadow".utf8))
      // The device has a number, too.
      #expect(reading.sink.whole.last?.member.ordinal == 10)
    }
  }

  @Test func encryptedMembersFail() async throws {
    let directory = try TemporaryDirectory("secret")
    let root = directory.file("tree")
    let made = try await ChildProcess.shell("mkdir '\(root)' && cd '\(root)' && echo open > a && echo closed > b")
    try #require(made.status == 0)
    let mixed = try await pack(
      "7z a -bd -t7z $OUT.7z a >/dev/null && 7z a -bd -psecret $OUT.7z b >/dev/null && mv $OUT.7z $OUT", directory, root
    )
    let reading = try Reading.foreign(mixed)
    #expect(reading.sink.contents == ["a": Array("open\n".utf8)])
    #expect(reading.sink.failed.map { $0.failure?.kind } == [.encrypted])
    #expect(reading.sink.failed.map { $0.member.size } == [ByteCount(7)])
    let listless = try await pack(
      "7z a -bd -t7z -psecret -mhe=on $OUT.7z a >/dev/null && mv $OUT.7z $OUT", directory, root)
    #expect(try Reading.foreign(listless).failure?.kind == .encrypted)
  }

  @Test func membersDoNotWaitForWhatFollowsThem() throws {
    final class Watcher: ArchiveSink {
      let source: BytesSource
      var readsAtEnds: [Int] = []
      init(_ source: BytesSource) { self.source = source }
      func memberBegan(_ member: ArchiveMember) {}
      func memberData(_ bytes: UnsafeRawBufferPointer, ordinal: Int) {}
      func memberEnded(_ member: ArchiveMember) { readsAtEnds.append(source.reads) }
      func memberFailed(_ member: ArchiveMember, _ failure: ArchiveFailure) {}
      func directory(_ path: MemberPath, modified: ArchiveTime) {}
    }
    let tar = TarBuilder([("a", [UInt8](repeating: 1, count: 1_000)), ("b", [UInt8](repeating: 2, count: 500_000))])
    let source = BytesSource(tar.finished)
    let watcher = Watcher(source)
    try ForeignArchiveReader(options: .testing, sink: watcher).read(source)
    // A look at the start, and the first piece.
    #expect(watcher.readsAtEnds.first == 2)
    #expect(watcher.readsAtEnds.count == 2)
  }

  @Test func limitsHold() throws {
    let bytes = TarBuilder((0..<10).map { ("file\($0)", [UInt8](repeating: 0, count: 100)) }).finished
    func kind(_ change: (inout ArchiveLimits) -> Void) throws -> ArchiveFailure.Kind? {
      var options = ArchiveOptions.testing
      change(&options.limits)
      return try Reading.foreign(bytes, options: options).failure?.kind
    }
    #expect(try kind { $0.members = 10 } == nil)
    #expect(try kind { $0.members = 9 } == .limitExceeded)
    #expect(try kind { $0.totalSize = ByteCount(1_000) } == nil)
    #expect(try kind { $0.totalSize = ByteCount(999) } == .limitExceeded)
  }

  @Test func errorsOfSourceAndSinkComeOut() throws {
    struct Lost: Error, Equatable {}
    final class Failing: RandomAccessSource {
      let bytes: [UInt8]
      init(_ bytes: [UInt8]) { self.bytes = bytes }
      var length: UInt64 { UInt64(bytes.count) }
      func read(at offset: UInt64, count: Int) throws -> [UInt8] {
        guard offset < 100_000 else { throw Lost() }
        return Array(bytes[Int(offset)...].prefix(count))
      }
    }
    final class Full: ArchiveSink {
      func memberBegan(_ member: ArchiveMember) {}
      func memberData(_ bytes: UnsafeRawBufferPointer, ordinal: Int) throws { throw Lost() }
      func memberEnded(_ member: ArchiveMember) {}
      func memberFailed(_ member: ArchiveMember, _ failure: ArchiveFailure) {}
      func directory(_ path: MemberPath, modified: ArchiveTime) {}
    }
    let bytes = TarBuilder([("a", [1]), ("b", [UInt8](repeating: 2, count: 300_000))]).finished
    let sink = RecordingSink()
    #expect(throws: Lost()) { try ForeignArchiveReader(options: .testing, sink: sink).read(Failing(bytes)) }
    #expect(sink.whole.map { $0.member.path.description } == ["a"])
    #expect(throws: Lost()) { try ForeignArchiveReader(options: .testing, sink: Full()).read(BytesSource(bytes)) }
  }
}

/// Writes tar archives of the plainest kind (POSIX.1-2017 pax, "ustar Interchange Format").
struct TarBuilder {
  private(set) var bytes: [UInt8] = []
  /// Where each header begins.
  private(set) var offsets: [Int] = []

  init(_ files: [(name: String, content: [UInt8])]) {
    for file in files { add(file.name, file.content) }
  }

  var finished: [UInt8] { bytes + [UInt8](repeating: 0, count: 1_024) }

  private mutating func add(_ name: String, _ content: [UInt8]) {
    func octal(_ number: Int, _ width: Int) -> [UInt8] {
      let digits = String(number, radix: 8)
      return Array((String(repeating: "0", count: width - 1 - digits.count) + digits).utf8) + [0]
    }
    func padded(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
      bytes + [UInt8](repeating: 0, count: count - bytes.count)
    }
    let owner = octal(0o644, 8) + octal(0, 8) + octal(0, 8)
    let front = padded(Array(name.utf8), 100) + owner + octal(content.count, 12) + octal(1_700_000_000, 12)
    let back = padded(Array("0".utf8), 101) + Array("ustar".utf8) + [0] + Array("00".utf8)
    var header = padded(front + Array("        ".utf8) + back, 512)
    let sum = header.reduce(0) { $0 + Int($1) }
    header.replaceSubrange(148..<156, with: octal(sum, 7) + Array(" ".utf8))
    offsets.append(bytes.count)
    bytes += header + padded(content, (content.count + 511) / 512 * 512)
  }
}
