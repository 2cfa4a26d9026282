/// What to drop so that something else fits. Pure.
///
/// What is free to fetch again goes before what costs money, and within each of the two what was used longest ago goes first;
/// what is being read at the moment goes after what is not. Pinned content never goes.
struct EvictionPlan: Hashable, Sendable {
  struct Candidate: Hashable, Sendable {
    /// Whatever is fetched again as a whole: today a task, later a member of a package.
    let id: Int64
    let bytes: Int64
    let isBilled: Bool
    let isPinned: Bool
    /// Its bytes leave the index at once when it goes, and the disk only when its last reader lets go of it.
    let isInUse: Bool
    /// Any clock that goes forward.
    let lastUsed: Int64
  }

  /// How much has to go; nothing where not positive.
  struct Need: Hashable, Sendable {
    /// Bytes above `max_size`.
    var overSize: Int64
    /// Bytes that are missing on the disk.
    var underFree: Int64

    var isMet: Bool { overSize <= 0 && underFree <= 0 }

    mutating func drop(_ candidate: Candidate) {
      overSize -= candidate.bytes
      if !candidate.isInUse { underFree -= candidate.bytes }
    }
  }

  /// In the order in which they go; empty when the need can't be met, since dropping some would help nobody.
  let victims: [Int64]
  let suffices: Bool

  init(_ candidates: [Candidate], need: Need) {
    var need = need
    var victims: [Int64] = []
    for candidate in candidates.filter({ !$0.isPinned && $0.bytes > 0 }).sorted(by: Self.goesBefore) {
      if need.isMet { break }
      // Dropping what is being read frees nothing on the disk for now.
      if candidate.isInUse, need.overSize <= 0 { continue }
      victims.append(candidate.id)
      need.drop(candidate)
    }
    suffices = need.isMet
    self.victims = need.isMet ? victims : []
  }

  private static func goesBefore(_ left: Candidate, _ right: Candidate) -> Bool {
    if left.isBilled != right.isBilled { return right.isBilled }
    if left.isInUse != right.isInUse { return right.isInUse }
    return (left.lastUsed, left.id) < (right.lastUsed, right.id)
  }
}
