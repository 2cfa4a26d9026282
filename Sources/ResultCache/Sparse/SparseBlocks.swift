/// How it stands with every block of a member that arrives in parts. Pure.
struct SparseBlocks: Sendable {
  /// How it stands with what a reader wants.
  enum Standing: Hashable, Sendable {
    case ready
    /// This is the first block that is not ready; it is on its way, or about to be checked.
    case waiting(on: Int)
    /// Some block is neither here nor on its way.
    case missing
    /// Some block was paid for, and its bytes are wrong.
    case damaged
  }

  let count: Int
  /// Here, as the map says.
  private(set) var present: BlockSet
  /// Here, and compared with its checksum in this process, or written by it.
  private(set) var verified: BlockSet
  /// Being fetched, by this process or another.
  private(set) var inFlight: BlockSet
  /// Being compared with its checksum.
  private(set) var checking: BlockSet
  private(set) var damaged: BlockSet

  init(count: Int, isWhole: Bool = false) {
    self.count = count
    present = BlockSet(count: count, isFull: isWhole)
    verified = present
    inFlight = BlockSet(count: count)
    checking = inFlight
    damaged = inFlight
  }

  var isAllPresent: Bool { BlockScan.first(in: 0..<count) { ~present.words[$0] } == nil }

  /// What nobody has and nobody brings.
  func missing(in run: Range<Int>) -> [Range<Int>] {
    BlockScan.runs(in: run) { ~(present.words[$0] | inFlight.words[$0] | damaged.words[$0]) }
  }

  /// What is here and nobody has checked or checks.
  func unchecked(in run: Range<Int>) -> [Range<Int>] {
    BlockScan.runs(in: run) { present.words[$0] & ~(verified.words[$0] | checking.words[$0]) }
  }

  func standing(of run: Range<Int>) -> Standing {
    if BlockScan.first(in: run, { damaged.words[$0] }) != nil { return .damaged }
    let isMissing = BlockScan.first(in: run) { ~(present.words[$0] | inFlight.words[$0]) } != nil
    if isMissing { return .missing }
    return BlockScan.first(in: run) { ~verified.words[$0] }.map { .waiting(on: $0) } ?? .ready
  }

  // MARK: - what happens to blocks

  mutating func begin(_ run: Range<Int>) { inFlight.insert(run) }

  /// Written by this process: no need to check.
  mutating func arrive(_ run: Range<Int>) {
    inFlight.remove(run)
    present.insert(run)
    verified.insert(run)
    damaged.remove(run)
  }

  /// Found in the map: an earlier run, or another process, brought it.
  mutating func find(_ run: Range<Int>) {
    inFlight.remove(run)
    present.insert(run)
  }

  /// Won't arrive after all.
  mutating func giveUp(_ run: Range<Int>) { inFlight.remove(run) }

  mutating func beginCheck(_ run: Range<Int>) { checking.insert(run) }

  mutating func pass(_ run: Range<Int>) {
    checking.remove(run)
    verified.insert(run)
  }

  /// Nobody could say; whoever wants it has it checked again.
  mutating func endCheck(_ run: Range<Int>) { checking.remove(run) }

  /// May be fetched again.
  mutating func forgetDamage(_ run: Range<Int>) {
    damaged.remove(run)
    present.remove(run)
    verified.remove(run)
  }

  /// Was here, and its bytes are wrong.
  mutating func lose(_ run: Range<Int>, isDamage: Bool) {
    checking.remove(run)
    verified.remove(run)
    present.remove(run)
    if isDamage { damaged.insert(run) }
  }
}
