/// What goes together: whatever is fetched again as a whole.
package enum EvictionUnit: Hashable, Sendable {
  /// All files of a task whose results come as one stream.
  case stream(task: Int64)
  /// One member of a package.
  case member(object: Int64)
  /// The seek points of one member.
  case points(Int64)

  /// For an order between what is equal in everything else.
  fileprivate var number: Int64 {
    switch self {
    case .stream(let id), .member(let id), .points(let id): id
    }
  }
}

/// What to drop so that something else fits. Pure.
///
/// What is free to fetch again goes before what costs money, and within each of the two what has the lowest
/// ``EvictionPriority``; what is being read at the moment goes after what is not. Pinned content never goes.
package struct EvictionPlan: Hashable, Sendable {
  package struct Candidate: Hashable, Sendable {
    package let unit: EvictionUnit
    package let task: Int64
    package let bytes: Int64
    package let isBilled: Bool
    package let isPinned: Bool
    /// Its bytes leave the index at once when it goes, and the disk only when its last reader lets go of it.
    package let isInUse: Bool
    /// The lowest goes first.
    package let priority: Double
    /// Any clock that goes forward; between equal priorities.
    package let lastUsed: Int64

    package init(
      unit: EvictionUnit, task: Int64, bytes: Int64, isBilled: Bool, isPinned: Bool, isInUse: Bool, priority: Double,
      lastUsed: Int64
    ) {
      self.unit = unit
      self.task = task
      self.bytes = bytes
      self.isBilled = isBilled
      self.isPinned = isPinned
      self.isInUse = isInUse
      self.priority = priority
      self.lastUsed = lastUsed
    }
  }

  /// How much has to go; nothing where not positive.
  package struct Need: Hashable, Sendable {
    /// Bytes above `max_size`.
    package var overSize: Int64
    /// Bytes that are missing on the disk.
    package var underFree: Int64

    package init(overSize: Int64, underFree: Int64) {
      self.overSize = overSize
      self.underFree = underFree
    }

    package var isMet: Bool { overSize <= 0 && underFree <= 0 }

    mutating func drop(_ candidate: Candidate) {
      overSize -= candidate.bytes
      if !candidate.isInUse { underFree -= candidate.bytes }
    }
  }

  /// In the order in which they go; empty when the need can't be met, since dropping some would help nobody.
  package let victims: [Candidate]
  package let suffices: Bool

  /// - Parameter slack: so many bytes more may go, as long as they are free to fetch again and nobody reads them: looking for
  ///   what to drop costs more than dropping it.
  package init(_ candidates: [Candidate], need: Need, slack: Int64 = 0) {
    guard !need.isMet else {
      (victims, suffices) = ([], true)
      return
    }
    var need = need
    var slack = slack
    var victims: [Candidate] = []
    for candidate in candidates.filter({ !$0.isPinned && $0.bytes > 0 }).sorted(by: Self.goesBefore) {
      if need.isMet {
        guard slack >= candidate.bytes, !candidate.isBilled, !candidate.isInUse else { break }
        slack -= candidate.bytes
      }
      // Dropping what is being read frees nothing on the disk for now.
      if candidate.isInUse, need.overSize <= 0 { continue }
      victims.append(candidate)
      need.drop(candidate)
    }
    suffices = need.isMet
    self.victims = need.isMet ? victims : []
  }

  private static func goesBefore(_ left: Candidate, _ right: Candidate) -> Bool {
    if left.isBilled != right.isBilled { return right.isBilled }
    if left.isInUse != right.isInUse { return right.isInUse }
    if left.priority != right.priority { return left.priority < right.priority }
    return (left.lastUsed, left.unit.number) < (right.lastUsed, right.unit.number)
  }
}
