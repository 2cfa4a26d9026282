import Archives
import Foundation
import Testing

/// Which of the times that an archive records is shown.
@Suite struct TimeTests {
  private func modified(extra: [UInt8] = [], date: UInt16 = 0x5a21, time: UInt16 = 0) throws -> ArchiveTime {
    var entry = ZipBuilder.Entry("a", "x")
    entry.extra = extra
    entry.dosDate = date
    entry.dosTime = time
    return try #require(try Reading.of(ZipBuilder([entry]).finished()).sink.whole.first).member.modified
  }

  private func field(_ id: Int, _ content: [UInt8]) -> [UInt8] { le(id, 2) + le(content.count, 2) + content }

  @Test func theExtendedTimestampGoesFirst() throws {
    let extended = field(0x5455, [1] + le(1_700_000_001, 4))
    let ntfs = field(0x000a, le(0, 4) + le(1, 2) + le(24, 2) + le((11_644_473_600 + 5) * 10_000_000 + 7, 8) + le(0, 16))
    #expect(try modified(extra: ntfs + extended) == ArchiveTime(seconds: 1_700_000_001))
    #expect(try modified(extra: ntfs) == ArchiveTime(seconds: 5, nanoseconds: 700))
    #expect(try modified(extra: field(0x5455, [1] + le(-2, 4))) == ArchiveTime(seconds: -2))
    #expect(try modified(extra: field(0x5855, le(9, 4) + le(12, 4))) == ArchiveTime(seconds: 12))
  }

  @Test func dosTimeIsLocalTime() throws {
    var parts = DateComponents(year: 2026, month: 3, day: 13, hour: 14, minute: 15, second: 16)
    parts.timeZone = .current
    let expected = try #require(Calendar(identifier: .gregorian).date(from: parts))
    let date = UInt16((2026 - 1980) << 9 | 3 << 5 | 13)
    let time = UInt16(14 << 11 | 15 << 5 | 8)
    #expect(try modified(date: date, time: time) == ArchiveTime(seconds: Int64(expected.timeIntervalSince1970)))
    // Damaged fields fall back to what DOS can say; a flag without its time to the DOS time.
    let first = try modified(date: 0, time: 0xffff)
    #expect(try modified(extra: field(0x5455, [1, 2]), date: 0, time: 0xffff) == first)
  }
}
