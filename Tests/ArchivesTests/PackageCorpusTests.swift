import Archives
import Foundation
import Tasks
import TestSupport
import Testing

/// The archives of other projects, read as packages that are far away.
@Suite(.enabled(if: Corpus.shared != nil, "no corpus at ../shared/corpus or $TOLLFS_CORPUS"))
struct PackageCorpusTests {
  private let options = ArchiveOptions(
    spoolDirectory: FileManager.default.temporaryDirectory.path,
    limits: ArchiveLimits(totalSize: ByteCount(256 << 20)))

  @Test func anyTailGivesTheListingOfTheWhole() throws {
    let corpus = try #require(Corpus.shared)
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    var (listed, refused) = (0, 0)
    for name in corpus.classes.keys.sorted() {
      for archive in corpus.archives(name) {
        let client = PackageClient(bytes: archive.bytes, options: options)
        let whole = try? ZipDirectory(reading: BytesSource(archive.bytes), options: options)
        for tail in [100_000, 300, Int.random(in: 0...max(1, archive.bytes.count), using: &generator)] {
          do throws(any Error) {
            let listing = try client.listing(tail: tail)
            #expect(listing.directory?.told == whole?.told, "\(archive.path), \(tail) bytes")
            #expect(listing.fetches <= 4, "\(archive.path), \(tail) bytes")
          } catch let failure as ArchiveFailure {
            #expect(whole == nil, "\(archive.path), \(tail) bytes: \(failure.reason)")
          }
        }
        if whole == nil { refused += 1 } else { listed += 1 }
      }
    }
    print("packages: \(listed) listed, \(refused) not")
  }

  @Test func membersAreThoseOfTheStream() throws {
    let corpus = try #require(Corpus.shared)
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    var (same, failed) = (0, 0)
    for name in corpus.classes.keys.sorted() where name != "bomb_or_huge" {
      let isGood = name.hasPrefix("agree_good")
      for archive in corpus.archives(name) {
        let client = PackageClient(bytes: archive.bytes, options: options)
        guard let directory = try? client.listing(tail: 66_000).directory else { continue }
        let reading = try Reading.of(archive.bytes, options: options)
        // By their numbers: as strings, names that are composed differently are the same.
        let streamed = reading.sink.whole.reduce(into: [:]) { $0[$1.member.ordinal] = $1.content }
        // Where the directory contradicts the members, the stream has the members' word and the package the directory's.
        // And the last part of an archive in several lists members of the others.
        let mustAgree = reading.failure == nil && !reading.sink.failed.contains { $0.failure?.kind == .badStructure }
        for file in directory.files {
          let path = file.member.path.description
          guard file.refusal == nil else {
            #expect(!isGood, "\(archive.path): \(path): \(file.refusal?.reason ?? "")")
            continue
          }
          do {
            let content = try client.content(MemberPlace(file), upTo: 30_000, &generator)
            #expect(content.count == Int(file.member.size?.bytes ?? -1), "\(archive.path): \(path)")
            #expect(content.withUnsafeBytes { crc32($0) } == file.member.crc32, "\(archive.path): \(path)")
            #expect(!mustAgree || content == streamed[file.member.ordinal], "\(archive.path): \(path)")
            same += 1
          } catch {
            #expect(
              !isGood && !(mustAgree && streamed[file.member.ordinal] != nil), "\(archive.path): \(path): \(error)")
            failed += 1
          }
        }
      }
    }
    print("members: \(same) read, \(failed) refused")
  }

  @Test func theyAreRecognizedAsZips() throws {
    let corpus = try #require(Corpus.shared)
    for archive in corpus.archives("agree_good") {
      let start = Array(archive.bytes.prefix(PackageRecognizer.usualStart))
      let kind = PackageRecognizer.kind(start: start, isWhole: start.count == archive.bytes.count)
      // With something before it, only its end tells.
      #expect(kind == .zip || kind == .plain && !start.starts(with: [0x50, 0x4b]), "\(archive.path)")
    }
  }
}
