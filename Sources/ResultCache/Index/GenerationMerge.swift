import Tasks

/// What stays of an earlier download of a task when another one ends. Pure.
///
/// What was paid for is kept while it can be: members that arrived whole the first time and not the second stay. What the
/// new download brought replaces what was there, since its checksum was verified a moment ago.
///
/// Of a package that is read by ranges a new generation is only a new look at its directory: of the same version everything
/// stays, of another one nothing, since bytes of two versions must never be joined.
struct GenerationMerge: Hashable, Sendable {
  struct Entry: Hashable, Sendable {
    let ordinal: Int64
    let path: String
    let size: Int64
    let crc32: UInt32?
    let state: MemberRow.State
    /// Whether some of the bytes are on disk, or were and are damaged.
    var hasPart = false
    var place: CachedPlace?

    /// Whether the bytes are on disk, as far as is known.
    var hasBytes: Bool { state == .stored }
  }

  /// What the new generation has to do with the one before.
  enum Relation: Hashable, Sendable {
    /// Two downloads of an archive that is a stream.
    case streams
    /// Two looks at the same version of a package.
    case samePackage
    /// A package, and something else.
    case unrelated

    init(old: PackageVersion?, new: PackageVersion?) {
      switch (old, new) {
      case (nil, nil): self = .streams
      case (let old, let new): self = old == new ? .samePackage : .unrelated
      }
    }
  }

  enum Ending: Hashable, Sendable {
    case complete, broken
  }

  /// An earlier entry that becomes part of the new generation.
  struct Kept: Hashable, Sendable {
    let ordinal: Int64
    let newOrdinal: Int64
    /// Whether the new entry at `newOrdinal` gives way to it.
    let replacesNew: Bool
  }

  /// Whether both downloads were of the same archive, as far as they overlap.
  let isSameArchive: Bool
  /// Whether both have the very same names, too.
  let isSameListing: Bool
  let kept: [Kept]

  init(old: [Entry], new: [Entry], ending: Ending, relation: Relation = .streams) {
    // Names are compared byte by byte: Swift's == holds different spellings of one character for the same.
    let newByPath = Dictionary(new.map { (Array($0.path.utf8), $0) }, uniquingKeysWith: { first, _ in first })
    let pairs = old.map { (old: $0, new: newByPath[Array($0.path.utf8)]) }
    var taken = Set(new.map(\.ordinal))
    isSameArchive = pairs.allSatisfy { pair in
      guard let new = pair.new else { return !taken.contains(pair.old.ordinal) }
      return Self.agree(pair.old, new)
    }
    isSameListing = isSameArchive && old.count == new.count && pairs.allSatisfy { $0.new != nil }
    switch relation {
    case .streams: break
    case .unrelated:
      kept = []
      return
    case .samePackage:
      kept = Self.keptOfPackage(pairs, ending: ending, taken: taken)
      return
    }
    var kept: [Kept] = []
    var last = max(old.map(\.ordinal).max() ?? -1, new.map(\.ordinal).max() ?? -1)
    for (entry, new) in pairs {
      if let new {
        guard entry.hasBytes, !new.hasBytes, entry.size == new.size || new.size == 0 else { continue }
        kept.append(Kept(ordinal: entry.ordinal, newOrdinal: new.ordinal, replacesNew: true))
      } else if ending == .broken, entry.hasBytes || isSameArchive {
        var ordinal = entry.ordinal
        if taken.contains(ordinal) {
          last += 1
          ordinal = last
        }
        taken.insert(ordinal)
        kept.append(Kept(ordinal: entry.ordinal, newOrdinal: ordinal, replacesNew: false))
      }
    }
    self.kept = kept
  }

  private static func keptOfPackage(_ pairs: [(old: Entry, new: Entry?)], ending: Ending, taken: Set<Int64>) -> [Kept] {
    pairs.compactMap { old, new in
      guard let new else {
        // A look that broke off saw the beginning of a directory that was seen whole before.
        guard ending == .broken, !taken.contains(old.ordinal) else { return nil }
        return Kept(ordinal: old.ordinal, newOrdinal: old.ordinal, replacesNew: false)
      }
      let isSame = old.size == new.size && old.crc32 == new.crc32 && old.place == new.place
      guard isSame, !new.hasBytes, old.hasBytes || old.hasPart else { return nil }
      return Kept(ordinal: old.ordinal, newOrdinal: new.ordinal, replacesNew: true)
    }
  }

  private static func agree(_ old: Entry, _ new: Entry) -> Bool {
    guard old.ordinal == new.ordinal else { return false }
    // A failed member's size and checksum are only what was claimed.
    if old.state == .failed || new.state == .failed { return true }
    guard old.size == new.size else { return false }
    guard let first = old.crc32, let second = new.crc32 else { return true }
    return first == second
  }
}
