import Foundation
import Tasks
import TestSupport
import Testing

@testable import ResultCache

@Suite struct CrashTests {
  let fixture: CacheFixture
  let files = (0..<4).map { SampleFile("f\($0)", size: 3_000 + $0, seed: UInt64($0)) }

  init() throws { fixture = try CacheFixture() }

  /// What a new process would find after this one died: the same files, nobody's locks.
  private func copy(_ name: String) throws -> String {
    let copy = fixture.directory.file(name)
    try FileManager.default.copyItem(atPath: fixture.root, toPath: copy)
    return copy
  }

  @Test func everyStepOfADownloadLeavesAConsistentCache() async throws {
    let id = try task("steps")
    let cache = try await fixture.open()
    var copies: [(path: String, whole: Int)] = []
    let writer = try await cache.beginDownload(of: id, expecting: nil, costs: true)
    copies.append((try copy("begun"), 0))
    for (ordinal, file) in files.enumerated() {
      try writer.begin(file, ordinal: ordinal)
      try writer.append(file.bytes.prefix(100))
      copies.append((try copy("within-\(ordinal)"), ordinal))
      try writer.append(file.bytes.dropFirst(100))
      try writer.endMember(crc32: file.crc32, size: ByteCount(file.bytes.count))
      copies.append((try copy("after-\(ordinal)"), ordinal + 1))
    }
    _ = try writer.finish()
    let done = try copy("done")
    for (path, whole) in copies {
      let after = try await fixture.open(at: path)
      let listing = try #require(try await after.listing(of: id))
      guard case .broken = listing.state else {
        Issue.record("\(path): \(listing.state)")
        continue
      }
      #expect(listing.members.map(\.path) == files.prefix(whole).map(\.path))
      for file in files.prefix(whole) { #expect(try await after.read(file.path[0], of: id) == file.bytes) }
      #expect(CacheFixture.objectPaths(in: path).count == whole)
      #expect(try await after.download(id, files).state == .complete)
    }
    let after = try await fixture.open(at: done)
    #expect(try await after.listing(of: id)?.state == .complete)
    #expect(try await after.read("f3", of: id) == files[3].bytes)
  }

  @Test func anUnpaidDownloadThatBroughtNothingIsForgotten() async throws {
    let id = try task("free")
    try await fixture.open().crash(id, [], costs: false, partial: files[0])
    #expect(try await fixture.open().listing(of: id) == nil)
    #expect(fixture.objectPaths.isEmpty)
  }

  @Test func aPaidDownloadThatBroughtNothingIsRemembered() async throws {
    let id = try task("paid")
    try await fixture.open().crash(id, [], costs: true, partial: files[0])
    let listing = try #require(try await fixture.open().listing(of: id))
    #expect(listing.state != .complete)
    #expect(listing.members.isEmpty)
  }

  @Test func aCrashedRepeatKeepsTheFirstDownload() async throws {
    let id = try task("repeat")
    var cache: ResultCache? = try await fixture.open()
    let first = try await cache?.beginDownload(of: id, expecting: nil, costs: true)
    try first?.add(files[3], ordinal: 3)
    _ = try first?.breakOff(reason: "lost", word: "x")
    try await cache?.crash(id, Array(files.prefix(2)))
    cache = nil
    let after = try await fixture.open()
    #expect(try await after.listing(of: id)?.members.map(\.ordinal) == [0, 1, 3])
    for index in [0, 1, 3] { #expect(try await after.read("f\(index)", of: id) == files[index].bytes) }
  }

  @Test func theNextOneWhoLooksSettlesACrash() async throws {
    let id = try task("noticed")
    let onlooker = try await fixture.open()
    try await fixture.open().crash(id, [files[0]])
    #expect(try await onlooker.listing(of: id)?.members.count == 1)
    try await fixture.open().crash(id, Array(files.prefix(2)))
    let writer = try await onlooker.beginDownload(of: id, expecting: nil, costs: true)
    #expect(try await onlooker.listing(of: id)?.members.count == 2)
    writer.abandon()
  }

  @Test func startingDisturbsNoLivingWriter() async throws {
    let id = try task("alive")
    let cache = try await fixture.open()
    let writer = try await cache.beginDownload(of: id, expecting: nil, costs: true)
    try writer.add(files[0], ordinal: 0)
    try writer.begin(files[1], ordinal: 1)
    try writer.append(files[1].bytes.prefix(10))
    let other = try await fixture.open()
    #expect(try await other.listing(of: id) == nil)
    #expect(fixture.objectPaths.count == 2)
    try writer.append(files[1].bytes.dropFirst(10))
    try writer.endMember(crc32: files[1].crc32, size: ByteCount(files[1].bytes.count))
    _ = try writer.finish()
    #expect(try await other.read("f1", of: id) == files[1].bytes)
  }

  @Test func aPowerLossMayTakeUnsynchronizedFilesButServesNoWrongByte() async throws {
    let seed = UInt64.random(in: .min ... .max)
    var generator = SeededGenerator(seed: seed)
    let whole = try task("whole")
    let cut = try task("cut")
    try await fixture.open().download(whole, files)
    let wholePaths = Set(fixture.objectPaths)
    try await fixture.open().crash(cut, files)
    for path in fixture.objectPaths where !wholePaths.contains(path) {
      // What the disk brings back of a file that was not synchronized: nothing, a part, zeroes, or all of it.
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: unlink(path)
      case 1: truncate(path, .random(in: 0..<3_000, using: &generator))
      case 2: try Data(count: 3_000 + files.count).write(to: URL(fileURLWithPath: path))
      default: break
      }
    }
    let cache = try await fixture.open()
    for file in files { #expect(try await cache.read(file.path[0], of: whole) == file.bytes, "seed \(seed)") }
    for member in try #require(try await cache.listing(of: cut)).members {
      let name = member.path[0]
      guard await cache.failure(reading: name, of: cut) == nil else { continue }
      #expect(try await cache.read(name, of: cut) == files.first { $0.path == member.path }?.bytes, "seed \(seed)")
    }
    #expect(try await cache.download(cut, files).state == .complete, "seed \(seed)")
  }
}

@Suite struct StartupTests {
  let fixture: CacheFixture
  let file = SampleFile("f", size: 5_000)

  init() throws { fixture = try CacheFixture() }

  private func isMovedAside() throws -> Bool {
    let names = try FileManager.default.contentsOfDirectory(atPath: fixture.root)
    guard let aside = names.first(where: { $0.hasPrefix("damaged-") }) else { return false }
    let log = fixture.log.all.joined(separator: "\n")
    return log.contains(fixture.root + "/index.sqlite") && log.contains("\(fixture.root)/\(aside)/index.sqlite")
      && FileManager.default.fileExists(atPath: "\(fixture.root)/\(aside)/index.sqlite")
      && FileManager.default.fileExists(atPath: "\(fixture.root)/\(aside)/objects")
  }

  @Test(arguments: ["garbage", "middle", "mark"])
  func aDamagedIndexIsMovedAside(how: String) async throws {
    let id = try task("indexed")
    try await fixture.open().download(id, [file])
    let index = fixture.root + "/index.sqlite"
    switch how {
    case "garbage":
      try Data("this is no database, whatever its name says".utf8).write(to: URL(fileURLWithPath: index))
    case "middle":
      let handle = try #require(FileHandle(forUpdatingAtPath: index))
      try handle.seek(toOffset: 4096)
      try handle.write(contentsOf: Data(repeating: 0xee, count: 3 * 4096))
      try handle.close()
    default:
      try Data().write(to: URL(fileURLWithPath: fixture.root + "/index.damaged"))
    }
    do {
      let cache = try await fixture.open()
      #expect(try await cache.tasks().isEmpty)
      #expect(try isMovedAside())
      try await cache.download(id, [file])
    }
    let cache = try await fixture.open()
    #expect(try await cache.read("f", of: id) == file.bytes)
  }

  @Test func aDamagedIndexInUseIsLeftToItsUser() async throws {
    let user = try await fixture.open()
    try Data().write(to: URL(fileURLWithPath: fixture.root + "/index.damaged"))
    let failure = await #expect(throws: CacheFailure.self) { try await self.fixture.open() }
    #expect(failure?.reason.contains("another process uses it") == true)
    #expect(try await user.tasks().isEmpty)
  }

  @Test func aCacheOfANewerVersionIsRefused() async throws {
    _ = try await fixture.open()
    try fixture.index { try $0.execute(sql: "PRAGMA user_version = 99") }
    let failure = await #expect(throws: CacheFailure.self) { try await self.fixture.open() }
    #expect(failure?.kind == .tooNew)
    #expect(failure?.reason.contains("newer version") == true)
    #expect(failure?.reason.contains(fixture.root) == true)
  }

  @Test func filesThatNobodyKnowsAreRemoved() async throws {
    let id = try task("kept")
    try await fixture.open().download(id, [file])
    let stray = fixture.root + "/objects/00112233"
    try FileManager.default.createDirectory(atPath: stray, withIntermediateDirectories: true)
    try Data(count: 10).write(to: URL(fileURLWithPath: stray + "/x"))
    let cache = try await fixture.open()
    #expect(!FileManager.default.fileExists(atPath: stray))
    #expect(try await cache.read("f", of: id) == file.bytes)
  }

  @Test func deletingTheDirectoryLosesOnlyCachedBytes() async throws {
    let id = try task("deleted")
    try await fixture.open().download(id, [file])
    try FileManager.default.removeItem(atPath: fixture.root)
    let cache = try await fixture.open()
    #expect(try await cache.listing(of: id) == nil)
    try await cache.download(id, [file])
    #expect(try await cache.read("f", of: id) == file.bytes)
  }

  @Test func aDirectoryThatCannotBeMadeIsAClearFailure() async throws {
    let path = fixture.directory.file("plain")
    try Data().write(to: URL(fileURLWithPath: path))
    let failure = await #expect(throws: CacheFailure.self) { try await self.fixture.open(at: path + "/cache") }
    #expect(failure?.kind == .io)
    #expect(failure?.reason.contains(path) == true)
  }
}
