import Archives
import Foundation
import Tasks
import TestSupport
import Testing

/// Test archives of other projects, where they are at hand: they are not this project's to publish.
struct Corpus {
  struct Golden: Hashable {
    let size: Int64
    let crc32: UInt32
    let sha256: String
  }

  let root: String
  /// The paths of the archives by their class.
  let classes: [String: [String]]
  /// What the files of an archive must hold, by its path.
  let golden: [String: [Golden]]

  static let shared = Corpus()

  init?() {
    let ownRoot = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../shared/corpus").path
    root = ProcessInfo.processInfo.environment["TOLLFS_CORPUS"] ?? ownRoot
    guard let classRows = Self.rows(root + "/classes.tsv"), let goldenRows = Self.rows(root + "/golden.tsv") else {
      return nil
    }
    classes = Dictionary(grouping: classRows, by: { $0[1] }).mapValues { $0.map { $0[0] } }
    let files = goldenRows.filter { !$0[2].hasSuffix("2f") }
    golden = Dictionary(grouping: files, by: { $0[0] }).mapValues { rows in
      rows.map { Golden(size: Int64($0[3]) ?? -1, crc32: UInt32($0[4], radix: 16) ?? 0, sha256: $0[5]) }
    }
  }

  private static func rows(_ path: String) -> [[String]]? {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
    return text.split(separator: "\n").dropFirst().map { $0.split(separator: "\t").map(String.init) }
  }

  func archives(_ names: String...) -> [(path: String, bytes: [UInt8])] {
    names.flatMap { classes[$0] ?? [] }.sorted().compactMap { path in
      FileManager.default.contents(atPath: root + "/zips/" + path).map { (path, Array($0)) }
    }
  }
}

@Suite(.enabled(if: Corpus.shared != nil, "no corpus at ../shared/corpus or $TOLLFS_CORPUS"))
struct CorpusTests {
  /// More than any archive of the corpus holds that is not a bomb.
  private let options = ArchiveOptions(
    spoolDirectory: FileManager.default.temporaryDirectory.path,
    limits: ArchiveLimits(totalSize: ByteCount(256 << 20)))

  @Test func agreedArchivesAreReadByteForByte() async throws {
    let corpus = try #require(Corpus.shared)
    let directory = try TemporaryDirectory("corpus")
    var found: [String: [(size: Int64, crc32: UInt32, file: String)]] = [:]
    for (number, archive) in corpus.archives("agree_good", "agree_good_hostile_meta").enumerated() {
      let reading = try Reading.of(archive.bytes, .random(seed: UInt64(number), upTo: 20_000), options: options)
      #expect(reading.failure == nil, "\(archive.path)")
      #expect(reading.sink.failed.isEmpty, "\(archive.path): \(reading.sink.failed.map { $0.failure?.reason ?? "" })")
      for (index, file) in reading.sink.whole.enumerated() {
        let name = "\(number)-\(index)"
        try Data(file.content).write(to: URL(filePath: directory.file(name)))
        found[archive.path, default: []].append((file.member.size?.bytes ?? -1, file.member.crc32 ?? 0, name))
      }
    }
    let sums = try await checksums(directory)
    for path in (corpus.classes["agree_good"] ?? []) + (corpus.classes["agree_good_hostile_meta"] ?? []) {
      let read = (found[path] ?? []).map { Corpus.Golden(size: $0.size, crc32: $0.crc32, sha256: sums[$0.file] ?? "") }
      let expected = corpus.golden[path] ?? []
      #expect(counted(read) == counted(expected), "\(path)")
    }
  }

  /// Many sums by one program: in a debug build our own would take minutes.
  private func checksums(_ directory: TemporaryDirectory) async throws -> [String: String] {
    let outcome = try await ChildProcess.shell(
      "cd '\(directory.path)' && find . -type f -printf '%f\\0' | xargs -0 sha256sum", timeout: 120)
    return outcome.lines.reduce(into: [:]) { sums, line in
      let parts = line.split(separator: " ")
      if parts.count == 2 { sums[String(parts[1])] = String(parts[0]) }
    }
  }

  private func counted(_ list: [Corpus.Golden]) -> [Corpus.Golden: Int] {
    list.reduce(into: [:]) { $0[$1, default: 0] += 1 }
  }

  @Test func contestedArchivesGiveCheckedBytesOrAnError() throws {
    let corpus = try #require(Corpus.shared)
    var readable = 0
    for archive in corpus.archives("contested") {
      // The sink itself checks size and checksum of what ended.
      let reading = try Reading.of(archive.bytes, options: options)
      if reading.failure == nil && reading.sink.failed.isEmpty { readable += 1 }
    }
    print("contested: \(readable) readable")
  }

  @Test func badArchivesAreErrors() throws {
    let corpus = try #require(Corpus.shared)
    for archive in corpus.archives("agree_bad") {
      let reading = try Reading.of(archive.bytes, options: options)
      #expect(reading.failure != nil || !reading.sink.failed.isEmpty, "\(archive.path)")
    }
  }

  @Test func encryptedAndUnknownMethodsAreListedWithTheirReason() throws {
    let corpus = try #require(Corpus.shared)
    for archive in corpus.archives("encrypted_or_method") {
      let reading = try Reading.of(archive.bytes, options: options)
      let kinds = Set(reading.sink.failed.compactMap { $0.failure?.kind })
      #expect(
        !kinds.isDisjoint(with: [.encrypted, .unsupportedMethod, .badChecksum]) || archive.path.contains("BadCrc"),
        "\(archive.path): \(String(describing: reading.failure))")
    }
  }

  @Test func emptyArchivesAreEmptyOrErrors() throws {
    let corpus = try #require(Corpus.shared)
    for archive in corpus.archives("empty") {
      let reading = try Reading.of(archive.bytes, options: options)
      #expect(reading.sink.files.isEmpty || reading.failure != nil, "\(archive.path)")
    }
  }

  @Test func bombsStopAtTheLimit() throws {
    let corpus = try #require(Corpus.shared)
    var limited = options
    limited.limits.totalSize = ByteCount(32 << 20)
    for archive in corpus.archives("bomb_or_huge") {
      let reading = try Reading.of(archive.bytes, options: limited, keepsContent: false)
      #expect(reading.failure != nil || !reading.sink.failed.isEmpty, "\(archive.path)")
      #expect(reading.sink.received <= 32 << 20, "\(archive.path)")
    }
  }
}
