import TestSupport
import Testing

@testable import TaskTree

@Suite("Read-ahead")
struct ReadAheadTests {
  @Test(
    "A reader in order gets as much ahead as it has read, up to a limit; in the order in which the kernel asks, too")
  func inOrder() {
    var ahead = ReadAhead()
    #expect(ahead.note(0..<16_384) == 0)
    #expect(ahead.note(16_384..<32_768) == 0)
    #expect(ahead.note(32_768..<131_072) == 262_144)
    // Two requests of the kernel, the later one first.
    #expect(ahead.note(262_144..<393_216) > 0 && ahead.note(131_072..<262_144) > 0)
    var position: UInt64 = 393_216
    var last: UInt64 = 0
    for _ in 0..<200 {
      last = ahead.note(position..<position + 131_072)
      position += 131_072
    }
    #expect(last == ReadAhead.most)
  }

  @Test("A reader that jumps about gets nothing ahead")
  func jumping() {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed: \(seed)")
    var random = SeededGenerator(seed: seed)
    var ahead = ReadAhead()
    var total: UInt64 = 0
    for _ in 0..<200 {
      let offset = UInt64.random(in: 0..<1 << 40, using: &random)
      total += ahead.note(offset..<offset + 4_096)
    }
    #expect(total == 0)
  }

  @Test("Requests are large: nothing is asked for while more than half of what is wanted is on its way")
  func requests() {
    let read: Range<UInt64> = 0..<100
    #expect(ReadAhead.fetch(read, ahead: 1_000, firstMissing: 50, size: 10_000) == 50..<1_100)
    #expect(ReadAhead.fetch(read, ahead: 1_000, firstMissing: 550, size: 10_000) == 550..<1_100)
    #expect(ReadAhead.fetch(read, ahead: 1_000, firstMissing: 700, size: 10_000) == nil)
    #expect(ReadAhead.fetch(read, ahead: 1_000, firstMissing: 1_100, size: 10_000) == nil)
    #expect(ReadAhead.fetch(read, ahead: 1_000, firstMissing: 90, size: 95) == 90..<95)
  }
}

@Suite("Known pieces of packages")
struct KnownPiecesTests {
  @Test("Known bytes and requests together are the range, and nothing known is asked for")
  func parts() {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed: \(seed)")
    var random = SeededGenerator(seed: seed)
    let package = (0..<400).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    for _ in 0..<500 {
      let pieces = (0..<Int.random(in: 0...4, using: &random)).map { _ in
        let start = Int.random(in: 0..<400, using: &random)
        let end = Int.random(in: start...400, using: &random)
        return KnownPieces.Piece(offset: UInt64(start), bytes: Array(package[start..<end]))
      }
      let start = Int.random(in: 0..<400, using: &random)
      let end = Int.random(in: start...400, using: &random)
      var bytes: [UInt8] = []
      for part in KnownPieces.parts(of: UInt64(start)..<UInt64(end), pieces) {
        switch part {
        case .known(let known):
          #expect(!known.isEmpty)
          bytes += known
        case .ask(let range):
          #expect(!pieces.contains { $0.range.overlaps(range) && !$0.bytes.isEmpty })
          bytes += package[Int(range.lowerBound)..<Int(range.upperBound)]
        }
      }
      #expect(bytes == Array(package[start..<end]))
    }
  }
}

@Suite("Walking through small files")
struct WalkAheadTests {
  @Test("Files opened in order are fetched ahead in growing requests; opened in any other order they are not")
  func walk() {
    var walk = WalkAhead()
    var asked: [Range<UInt64>] = []
    for file in UInt64(0)..<400 {
      if let ahead = walk.note(file * 10_000..<(file + 1) * 10_000, limit: 4_000_000) { asked.append(ahead) }
    }
    #expect(asked.first == 40_000..<105_536)
    #expect(asked.count < 15 && asked.last?.upperBound == 4_000_000)
    for (before, after) in zip(asked, asked.dropFirst()) { #expect(before.upperBound == after.lowerBound) }
    walk = WalkAhead()
    for file in (UInt64(0)..<400).reversed() {
      #expect(walk.note(file * 10_000..<(file + 1) * 10_000, limit: 4_000_000) == nil)
    }
    walk = WalkAhead()
    for file in UInt64(0)..<20 {
      #expect(walk.note(file * 1_000_000..<(file + 1) * 1_000_000, limit: 20_000_000) == nil, "large ones")
    }
  }
}
