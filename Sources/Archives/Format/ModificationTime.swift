import Glibc

extension EntryFields {
  /// When the content was last changed: the extended timestamp, else the NTFS times, else Info-ZIP's older Unix field, else the
  /// DOS time, which is local time of an unknown place and taken as ours (APPNOTE 4.4.6).
  var modified: ArchiveTime {
    extendedTimestamp ?? ntfsTime ?? unixTime ?? dosModified
  }

  /// 0x5455 (Info-ZIP `extrafld.txt`): flags, then seconds since 1970 as signed 32 bits for each flag that is set.
  private var extendedTimestamp: ArchiveTime? {
    guard let block = extra.block(0x5455) else { return nil }
    var cursor = ByteCursor(block)
    guard cursor.u8() & 1 != 0 else { return nil }
    let seconds = Int32(bitPattern: cursor.u32())
    return cursor.isOverrun ? nil : ArchiveTime(seconds: Int64(seconds))
  }

  /// 0x000a (APPNOTE 4.5.5): attribute 1 holds three FILETIMEs, of which the first is the modification.
  private var ntfsTime: ArchiveTime? {
    guard let block = extra.block(0x000a) else { return nil }
    var cursor = ByteCursor(block)
    cursor.skip(4)
    while cursor.remaining >= 4 {
      let tag = cursor.u16()
      let content = cursor.take(Int(cursor.u16()))
      guard tag == 1, content.count >= 8 else { continue }
      var times = ByteCursor(content)
      let ticks = times.u64()
      guard ticks > 0, let signed = Int64(exactly: ticks) else { return nil }
      // A FILETIME counts 100 ns from 1601; 1970 began 11,644,473,600 s later.
      return ArchiveTime(
        seconds: signed / 10_000_000 - 11_644_473_600, nanoseconds: Int32(signed % 10_000_000) * 100)
    }
    return nil
  }

  /// 0x5855 (Info-ZIP `extrafld.txt`): access and modification time, each in 32 bits.
  private var unixTime: ArchiveTime? {
    guard let block = extra.block(0x5855) else { return nil }
    var cursor = ByteCursor(block)
    cursor.skip(4)
    let seconds = Int32(bitPattern: cursor.u32())
    return cursor.isOverrun ? nil : ArchiveTime(seconds: Int64(seconds))
  }

  private var dosModified: ArchiveTime {
    var parts = tm()
    parts.tm_year = Int32(dosDate >> 9) + 80
    // A month or a day of 0, which tools write that know no time, becomes the first.
    parts.tm_mon = max(0, min(11, Int32(dosDate >> 5 & 0xf) - 1))
    parts.tm_mday = max(1, Int32(dosDate & 0x1f))
    parts.tm_hour = min(23, Int32(dosTime >> 11))
    parts.tm_min = min(59, Int32(dosTime >> 5 & 0x3f))
    parts.tm_sec = min(59, Int32(dosTime & 0x1f) * 2)
    parts.tm_isdst = -1
    return ArchiveTime(seconds: Int64(mktime(&parts)))
  }
}
