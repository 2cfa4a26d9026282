/// A set of blocks, one bit each: 80 KiB for a member of 10 GB.
struct BlockSet: Hashable, Sendable {
  /// How many blocks there are.
  let count: Int
  private(set) var words: [UInt64]

  init(count: Int, isFull: Bool = false) {
    self.count = count
    words = [UInt64](repeating: 0, count: (count + 63) / 64)
    if isFull { insert(0..<count) }
  }

  func contains(_ block: Int) -> Bool { words[block >> 6] >> UInt64(block & 63) & 1 != 0 }

  mutating func insert(_ run: Range<Int>) {
    for word in BlockScan.words(of: run) { words[word] |= BlockScan.mask(of: run, in: word) }
  }

  mutating func remove(_ run: Range<Int>) {
    for word in BlockScan.words(of: run) { words[word] &= ~BlockScan.mask(of: run, in: word) }
  }

  /// How many blocks of a run are in the set.
  func number(in run: Range<Int>) -> Int {
    BlockScan.words(of: run).reduce(0) { $0 + (words[$1] & BlockScan.mask(of: run, in: $1)).nonzeroBitCount }
  }

  var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  var runs: [Range<Int>] { BlockScan.runs(in: 0..<count) { words[$0] } }
}

/// Looks through sets of blocks 64 at a time. `word` gives the bits of 64 blocks, of any combination of sets.
enum BlockScan {
  static func words(of run: Range<Int>) -> Range<Int> {
    run.isEmpty ? 0..<0 : run.lowerBound >> 6..<((run.upperBound - 1) >> 6) + 1
  }

  /// The bits of a run within one word.
  static func mask(of run: Range<Int>, in word: Int) -> UInt64 {
    let low = max(0, run.lowerBound - word << 6)
    let high = min(64, run.upperBound - word << 6)
    return high <= low ? 0 : (UInt64.max >> UInt64(64 - (high - low))) << UInt64(low)
  }

  /// The first block of a run whose bit is set.
  static func first(in run: Range<Int>, _ word: (Int) -> UInt64) -> Int? {
    for index in words(of: run) {
      let bits = word(index) & mask(of: run, in: index)
      if bits != 0 { return index << 6 + bits.trailingZeroBitCount }
    }
    return nil
  }

  /// The blocks of a run whose bits are set, as runs in order.
  static func runs(in run: Range<Int>, _ word: (Int) -> UInt64) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    for index in words(of: run) {
      var bits = word(index) & mask(of: run, in: index)
      while bits != 0 {
        let start = bits.trailingZeroBitCount
        let length = (~(bits >> UInt64(start))).trailingZeroBitCount
        let found = index << 6 + start..<index << 6 + start + length
        if let last = runs.last, last.upperBound == found.lowerBound {
          runs[runs.count - 1] = last.lowerBound..<found.upperBound
        } else {
          runs.append(found)
        }
        bits &= ~mask(of: start..<start + length, in: 0)
      }
    }
    return runs
  }
}
