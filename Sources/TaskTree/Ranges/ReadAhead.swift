/// How far to read ahead of one reader, decided from what it has read so far. Pure.
///
/// A reader that goes through a file in order gets twice as much ahead as it has read; one that jumps about gets nothing, so that
/// eight reads of 4 KB cost eight blocks. The kernel sends the reads of one program in parallel and may mix up their
/// order a little: what is close to the expected place counts as in order.
struct ReadAhead: Hashable, Sendable {
  /// Bytes read in order before anything is fetched ahead: a header that is looked at is no sequential reader.
  private static let threshold: UInt64 = 64 << 10
  /// The most that is fetched ahead, in bytes: at 1 Gbit/s and 120 ms to the store so much is on its way at a time.
  static let most: UInt64 = 16 << 20
  /// As far as the kernel's own read-ahead mixes up its requests: two of its windows of 1 MiB.
  private static let tolerance: UInt64 = 2 << 20

  /// Where the next read is expected.
  private var next: UInt64 = 0
  /// How many bytes were read in order.
  private var run: UInt64 = 0

  /// Notes a read.
  /// - Returns: how many bytes behind its end are worth having.
  mutating func note(_ range: Range<UInt64>) -> UInt64 {
    let isClose = range.lowerBound <= next + Self.threshold && range.lowerBound + Self.tolerance >= next
    if isClose {
      if range.upperBound > next { run += range.upperBound - next }
    } else {
      run = range.upperBound - range.lowerBound
    }
    next = isClose ? max(next, range.upperBound) : range.upperBound
    return run < Self.threshold ? 0 : min(2 * run, Self.most)
  }

  /// What to fetch now, so that requests are large: nothing while more than half of what is wanted ahead is on its way.
  /// - Parameters:
  ///   - read: what is being read.
  ///   - ahead: what ``note(_:)`` said.
  ///   - firstMissing: where, from the start of the read on, the first byte lies that is neither here nor on its way.
  static func fetch(_ read: Range<UInt64>, ahead: UInt64, firstMissing: UInt64, size: UInt64) -> Range<UInt64>? {
    let end = min(size, read.upperBound + ahead)
    guard firstMissing < end else { return nil }
    let isNeeded = firstMissing < read.upperBound
    guard isNeeded || firstMissing - read.upperBound < ahead / 2 else { return nil }
    return firstMissing..<end
  }
}
