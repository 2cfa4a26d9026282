import Archives
import Foundation
import Tasks
import TestSupport
import Testing

/// Archives with bytes made up here, to the last one.
@Suite struct StreamTests {
  typealias Entry = ZipBuilder.Entry

  private let text = "What is read is what was written. "

  /// All ways to get the bytes: at once, one by one, and in pieces of random sizes.
  private func readings(_ bytes: [UInt8]) throws -> [Reading] {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("chunking seed \(seed)")
    return try [.whole, .bytewise, .random(seed: seed, upTo: 13), .random(seed: seed, upTo: 100)].map {
      try Reading.of(bytes, $0)
    }
  }

  @Test(arguments: ZipBuilder.Descriptor.allCases, [false, true])
  func everyLayoutOfDescriptors(_ descriptor: ZipBuilder.Descriptor, isZip64: Bool) throws {
    var zip = ZipBuilder()
    for (index, content) in ["", "x", text, String(repeating: text, count: 50)].enumerated() {
      var entry = Entry("file\(index)", content, isDeflated: true, descriptor: descriptor)
      entry.isZip64 = isZip64
      zip.add(entry)
    }
    for reading in try readings(zip.finished(hasZip64End: isZip64)) {
      #expect(reading.failure == nil)
      #expect(reading.sink.failed.isEmpty)
      #expect(
        reading.sink.whole.map { $0.content.count } == [0, 1, text.utf8.count, 50 * text.utf8.count])
      #expect(reading.total == Int64(1 + 51 * text.utf8.count))
    }
  }

  @Test func sizesAreKnownAsSoonAsTheStreamTellsThem() throws {
    final class Watcher: ArchiveSink {
      var log: [String] = []
      func memberBegan(_ member: ArchiveMember) {
        log.append("\(member.path) begins \(member.size?.description ?? "?")")
      }
      func memberData(_ bytes: UnsafeRawBufferPointer, ordinal: Int) {}
      func memberEnded(_ member: ArchiveMember) { log.append("\(member.path) ends \(member.size?.description ?? "?")") }
      func memberFailed(_ member: ArchiveMember, _ failure: ArchiveFailure) { log.append("\(member.path) fails") }
      func directory(_ path: MemberPath, modified: ArchiveTime) { log.append("\(path)/") }
    }
    var zip = ZipBuilder()
    zip.add(Entry("d/"))
    zip.add(Entry("d/known", "12345"))
    zip.add(Entry("d/later", "123456", isDeflated: true, descriptor: .signed32))
    let watcher = Watcher()
    let reader = ZipStreamReader(options: .testing, sink: watcher)
    // Without what follows the members: they don't wait for it.
    try zip.bytes.withUnsafeBytes { try reader.consume($0) }
    #expect(
      watcher.log == ["d/", "d/known begins 5", "d/known ends 5", "d/later begins ?", "d/later ends 6"])
    #expect(throws: ArchiveFailure.self) { try reader.finish() }
  }

  @Test(arguments: ZipBuilder.Descriptor.allCases.dropFirst())
  func storedWithDescriptorWaitsForTheDirectory(_ descriptor: ZipBuilder.Descriptor) throws {
    // An archive inside the archive: its records must not be taken for those of the outer one.
    let inner = ZipBuilder([Entry("inner", text, isDeflated: true)]).finished()
    var zip = ZipBuilder([Entry("first", text)])
    var nested = Entry("nested.zip", descriptor: descriptor)
    nested.content = inner
    zip.add(nested)
    zip.add(Entry("last", text, isDeflated: true, descriptor: descriptor))
    zip.add(Entry("empty", "", descriptor: descriptor))
    for reading in try readings(zip.finished(comment: "PK\u{5}\u{6} is no end")) {
      #expect(reading.failure == nil)
      #expect(reading.sink.whole.map { $0.member.path.description } == ["first", "nested.zip", "last", "empty"])
      #expect(reading.sink.contents["nested.zip"] == inner)
      #expect(reading.sink.contents["last"] == Array(text.utf8))
    }
  }

  @Test func whatIsWholeBeyondDoubtSurvivesABreak() throws {
    let inner = ZipBuilder([Entry("inner", text, descriptor: .signed32), Entry("more", text)]).finished()
    for descriptor in [ZipBuilder.Descriptor.signed32, .signed64] {
      var zip = ZipBuilder([Entry("first", text)])
      var nested = Entry("nested.zip", descriptor: descriptor)
      // Larger than what is searched in one piece.
      nested.content = [UInt8](repeating: 0x50, count: 600_000) + inner
      zip.add(nested)
      zip.add(Entry("deflated", text, isDeflated: true, descriptor: descriptor))
      zip.add(Entry("last", text, descriptor: descriptor))
      let names = ["first", "nested.zip", "deflated", "last"]
      let reading = try Reading.of(zip.bytes)
      #expect(reading.failure?.kind == .truncated)
      #expect(reading.sink.whole.map { $0.member.path.description } == names)
      #expect(reading.sink.contents["nested.zip"] == nested.content)
      // Cut off inside the last one, and inside the nested one, right behind the end of the archive in it.
      let shorter = try Reading.of(zip.bytes.dropLast(30))
      #expect(shorter.sink.whole.map { $0.member.path.description } == names.dropLast())
      let cut = zip.offsets[1] + 30 + "nested.zip".utf8.count + nested.content.count
      #expect(try Reading.of(Array(zip.bytes[..<cut])).sink.whole.count == 1)
    }
  }

  @Test func directoriesWithDescriptorsNeedNoWaiting() throws {
    var zip = ZipBuilder()
    for (index, descriptor) in ZipBuilder.Descriptor.allCases.enumerated() {
      zip.add(Entry("stored\(index)/", descriptor: descriptor))
      zip.add(Entry("deflated\(index)/", isDeflated: true, descriptor: descriptor))
      zip.add(Entry("stored\(index)/file", text))
    }
    let sink = RecordingSink()
    let reader = ZipStreamReader(options: .testing, sink: sink)
    try zip.bytes.withUnsafeBytes { try reader.consume($0) }
    #expect(sink.directories.count == 10)
    #expect(sink.whole.count == 5)
    for reading in try readings(zip.finished()) { #expect(reading.failure == nil) }
  }

  @Test func whatStandsBeforeAndBehindIsNoPartOfTheArchive() throws {
    let plain = ZipBuilder([Entry("a", text), Entry("b", text, isDeflated: true)]).finished(comment: "said")
    for reading in try readings(Array("#!/bin/sh\n".utf8) + plain) {
      #expect(reading.failure == nil)
      #expect(reading.sink.whole.count == 2)
    }
    for reading in try readings(plain + Array("more".utf8)) {
      #expect(reading.failure == nil)
      #expect(reading.sink.whole.count == 2)
    }
    var adjusted = ZipBuilder(prefix: Array("stub".utf8))
    adjusted.add(Entry("a", text))
    for reading in try readings(adjusted.finished()) { #expect(reading.sink.whole.count == 1) }
    for reading in try readings(plain + plain) { #expect(reading.failure?.kind == .badStructure) }
  }

  @Test func paddingBetweenMembersIsLeftToTheDirectory() throws {
    var zip = ZipBuilder([Entry("a", text)])
    zip.addGap([0, 0, 0, 0, 0])
    zip.add(Entry("b", text, isDeflated: true))
    zip.addGap([1, 2, 3])
    for reading in try readings(zip.finished()) {
      #expect(reading.failure == nil)
      #expect(reading.sink.contents == ["a": Array(text.utf8), "b": Array(text.utf8)])
    }
  }

  @Test func headersWithoutNameAndContentArePadding() throws {
    var zip = ZipBuilder()
    zip.addGap(le(0x0403_4b50, 4) + le(0, 24) + le(3, 2) + [0, 0, 0])
    zip.add(Entry("a", text))
    for reading in try readings(zip.finished()) {
      #expect(reading.failure == nil)
      #expect(reading.sink.whole.map { $0.member.ordinal } == [0])
    }
  }

  @Test func emptyArchives() throws {
    for bytes in [ZipBuilder().finished(), ZipBuilder().finished(comment: "empty", hasZip64End: true)] {
      for reading in try readings(bytes) {
        #expect(reading.failure == nil)
        #expect(reading.sink.files.isEmpty)
      }
    }
    #expect(try Reading.of([]).failure?.kind == .notAZip)
    #expect(try Reading.of(Array("{\"code\": 5}".utf8)).failure?.kind == .notAZip)
    #expect(try Reading.of([UInt8](repeating: 7, count: 100_000)).failure?.kind == .notAZip)
  }

  @Test func encryptedAndUnknownMembersFailAndTheRestGoesOn() throws {
    for descriptor in [ZipBuilder.Descriptor.none, .signed32] {
      var secret = Entry("secret", text, descriptor: descriptor)
      secret.flags = 1
      var strange = Entry("strange", text, descriptor: descriptor)
      strange.method = 6
      let zip = ZipBuilder([Entry("a", text), secret, strange, Entry("z", text, isDeflated: true)])
      for reading in try readings(zip.finished()) {
        #expect(reading.failure == nil)
        #expect(reading.sink.whole.map { $0.member.path.description } == ["a", "z"])
        #expect(reading.sink.failed.map { $0.failure?.kind } == [.encrypted, .unsupportedMethod])
        #expect(reading.sink.failed.map { $0.member.size?.bytes } == [34, 34])
        #expect(reading.total == 4 * 34)
      }
    }
  }

  @Test func aDamagedMemberFailsAndTheRestGoesOn() throws {
    for (isDeflated, descriptor) in [(false, ZipBuilder.Descriptor.none), (true, .none), (true, .signed32)] {
      var damaged = Entry("damaged", text, isDeflated: isDeflated, descriptor: descriptor)
      damaged.claimedChecksum = 1
      let zip = ZipBuilder([Entry("a", text), damaged, Entry("z", text, isDeflated: true)])
      for reading in try readings(zip.finished()) {
        #expect(reading.sink.whole.map { $0.member.path.description } == ["a", "z"])
        #expect(reading.sink.failed.map { $0.failure?.kind } == [.badChecksum])
      }
    }
  }

  @Test func aWrongDescriptorIsOverruledByTheDirectory() throws {
    let right = ZipBuilder([Entry("a", text, isDeflated: true, descriptor: .signed32), Entry("z", text)])
    var bytes = right.finished()
    // The size in the descriptor, right before the second header.
    bytes[right.offsets[1] - 1] ^= 1
    for reading in try readings(bytes) {
      #expect(reading.failure == nil)
      #expect(reading.sink.whole.map { $0.member.path.description } == ["a", "z"])
    }
  }

  @Test func theDirectoryMustAgree() throws {
    let zip = ZipBuilder([Entry("same", text), Entry("other", text)])
    let good = zip.finished()
    let start = zip.bytes.count
    // Name, checksum, size, method, offset of the first entry; and the number of entries.
    for (place, culprit) in [(46, "tame"), (16, "same"), (24, "same"), (10, "same"), (42, "same")] {
      var bytes = good
      bytes[start + place] ^= place == 46 ? 7 : 1
      for reading in try readings(bytes) {
        #expect(reading.failure?.kind == .badStructure)
        #expect(reading.failure?.reason.contains("`\(culprit)`") == true, "\(reading.failure?.reason ?? "")")
        #expect(reading.sink.whole.count == 2)
      }
    }
    for reading in try readings(zip.finished(count: 3)) { #expect(reading.failure?.kind == .badStructure) }
    var unlisted = zip
    unlisted.addGap(ZipBuilder([Entry("unlisted", text)]).bytes)
    for reading in try readings(unlisted.finished()) {
      #expect(reading.failure?.kind == .badStructure)
      #expect(reading.sink.whole.count == 3)
    }
  }

  @Test func limitsHold() throws {
    let zip = ZipBuilder(
      (0..<10).map { Entry("file\($0)", text, isDeflated: $0 % 2 == 0, descriptor: $0 % 2 == 0 ? .signed32 : .none) })
    func kind(_ change: (inout ArchiveLimits) -> Void, _ bytes: [UInt8]) throws -> ArchiveFailure.Kind? {
      var options = ArchiveOptions.testing
      change(&options.limits)
      return try Reading.of(bytes, options: options).failure?.kind
    }
    let bytes = zip.finished()
    #expect(try kind({ $0.members = 10 }, bytes) == nil)
    #expect(try kind({ $0.members = 9 }, bytes) == .limitExceeded)
    #expect(try kind({ $0.totalSize = ByteCount(340) }, bytes) == nil)
    #expect(try kind({ $0.totalSize = ByteCount(339) }, bytes) == .limitExceeded)
    let deep = ZipBuilder([Entry("a/b/c/d/e/f", text), Entry("g", text)]).finished()
    #expect(try kind({ $0.members = 7 }, deep) == nil)
    #expect(try kind({ $0.members = 6 }, deep) == .limitExceeded)
    let prefixed = [0] + bytes
    #expect(try kind({ $0.spoolSize = ByteCount(prefixed.count) }, prefixed) == nil)
    #expect(try kind({ $0.spoolSize = ByteCount(prefixed.count - 1) }, prefixed) == .limitExceeded)
    #expect(try kind({ $0.totalSize = ByteCount(339) }, prefixed) == .limitExceeded)
    #expect(try kind({ $0.directorySize = ByteCount(100) }, prefixed) == .limitExceeded)
  }

  @Test func overlappingMembersAreRefusedOnTheWayThroughTheSpool() throws {
    // Two entries of the directory for one content, and a prefix to get them spooled.
    let zip = ZipBuilder(prefix: [0])
    var twice = zip
    twice.add(Entry("a", text))
    let once = twice.finished()
    let entryLength = 46 + 1
    let start = once.count - 22 - entryLength
    var bytes = Array(once[..<start]) + once[start..<start + entryLength] + once[start...]
    bytes.replaceSubrange(bytes.count - 14..<bytes.count - 6, with: le(2, 2) + le(2, 2) + le(2 * entryLength, 4))
    let reading = try Reading.of(bytes)
    #expect(reading.sink.whole.count == 1)
    #expect(reading.sink.failed.first?.failure?.reason.contains("overlaps") == true)
  }

  @Test func errorsOfTheSinkComeOut() throws {
    struct Full: Error, Equatable {}
    final class Refusing: ArchiveSink {
      func memberBegan(_ member: ArchiveMember) {}
      func memberData(_ bytes: UnsafeRawBufferPointer, ordinal: Int) throws { throw Full() }
      func memberEnded(_ member: ArchiveMember) {}
      func memberFailed(_ member: ArchiveMember, _ failure: ArchiveFailure) {}
      func directory(_ path: MemberPath, modified: ArchiveTime) {}
    }
    for bytes in [
      ZipBuilder([Entry("a", text)]).finished(), ZipBuilder([Entry("a", text, isDeflated: true)]).finished(),
    ] {
      let sink = Refusing()
      let reader = ZipStreamReader(options: .testing, sink: sink)
      #expect(throws: Full()) { try bytes.withUnsafeBytes { try reader.consume($0) } }
      #expect(throws: Full()) { try reader.finish() }
    }
  }

  @Test func theSpoolLeavesNothingBehind() throws {
    let directory = try TemporaryDirectory("spool")
    let sink = RecordingSink()
    let reader = ZipStreamReader(options: ArchiveOptions(spoolDirectory: directory.path), sink: sink)
    let bytes = ZipBuilder([Entry("a", text, descriptor: .signed32)]).finished()
    try bytes.withUnsafeBytes { try reader.consume($0) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    try reader.finish()
    #expect(sink.whole.count == 1)
    #expect(throws: ArchiveFailure.self) {
      let lost = ZipStreamReader(options: ArchiveOptions(spoolDirectory: directory.file("no")), sink: RecordingSink())
      try bytes.withUnsafeBytes { try lost.consume($0) }
    }
  }
}
