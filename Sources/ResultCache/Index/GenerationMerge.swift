/// What stays of an earlier download of a task when another one ends. Pure.
///
/// What was paid for is kept while it can be: members that arrived whole the first time and not the second stay. What the
/// new download brought replaces what was there, since its checksum was verified a moment ago.
struct GenerationMerge: Hashable, Sendable {
  struct Entry: Hashable, Sendable {
    let ordinal: Int64
    let path: String
    let size: Int64
    let crc32: UInt32?
    let state: MemberRow.State

    /// Whether the bytes are on disk, as far as is known.
    var hasBytes: Bool { state == .stored }
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

  init(old: [Entry], new: [Entry], ending: Ending) {
    // Names are compared byte by byte: Swift's == holds different spellings of one character for the same.
    let newByPath = Dictionary(new.map { (Array($0.path.utf8), $0) }, uniquingKeysWith: { first, _ in first })
    let pairs = old.map { (old: $0, new: newByPath[Array($0.path.utf8)]) }
    var taken = Set(new.map(\.ordinal))
    isSameArchive = pairs.allSatisfy { pair in
      guard let new = pair.new else { return !taken.contains(pair.old.ordinal) }
      return Self.agree(pair.old, new)
    }
    isSameListing = isSameArchive && old.count == new.count && pairs.allSatisfy { $0.new != nil }
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

  private static func agree(_ old: Entry, _ new: Entry) -> Bool {
    guard old.ordinal == new.ordinal else { return false }
    // A failed member's size and checksum are only what was claimed.
    if old.state == .failed || new.state == .failed { return true }
    guard old.size == new.size else { return false }
    guard let first = old.crc32, let second = new.crc32 else { return true }
    return first == second
  }
}
