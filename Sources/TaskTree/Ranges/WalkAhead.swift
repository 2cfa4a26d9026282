/// How much of a package to fetch ahead of somebody who opens its small files one after the other, as `cp -r` and rsync do: so
/// that a thousand files of some kilobytes don't cost a thousand round trips. Pure.
struct WalkAhead: Hashable, Sendable {
  /// Files opened in order before anything is fetched ahead: two neighbours may be chance.
  private static let threshold = 3
  /// The first request ahead, in bytes; each following one is twice as large.
  private static let first: UInt64 = 64 << 10
  /// The largest: some hundred small files, and a fraction of a second on a slow line.
  private static let most: UInt64 = 1 << 20
  /// Files with more compressed bytes than this are worth a request of their own.
  static let smallFile: UInt64 = 256 << 10

  /// Directories stand between files as headers without content.
  private static let gap: UInt64 = 4_096

  /// Where the file that was opened last ends in the package.
  private var end: UInt64?
  /// Files that were opened in order.
  private var run = 0
  /// How far something was fetched ahead.
  private var fetchedTo: UInt64 = 0

  /// Notes that a file is opened which lies between two offsets of the package.
  /// - Parameter limit: where the package's last file ends.
  /// - Returns: what to fetch ahead; nil for nothing.
  mutating func note(_ place: Range<UInt64>, limit: UInt64) -> Range<UInt64>? {
    // Opened again, or next: both are part of a walk.
    if place.upperBound == end { return nil }
    let isNext = end.map { place.lowerBound >= $0 && place.lowerBound - $0 <= Self.gap } ?? false
    run = isNext ? run + 1 : 0
    end = place.upperBound
    if run == 0 { fetchedTo = 0 }
    guard run >= Self.threshold, place.upperBound - place.lowerBound <= Self.smallFile else { return nil }
    let start = max(fetchedTo, place.upperBound)
    let size = min(Self.most, Self.first << UInt64(min(run - Self.threshold, 10)))
    // Half of it is left before more is asked for.
    guard start < limit, start - place.upperBound < size / 2 else { return nil }
    fetchedTo = min(limit, start + size)
    return start..<fetchedTo
  }
}
