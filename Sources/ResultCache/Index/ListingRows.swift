import Foundation
import GRDB
import Tasks

// From rows to the values that the cache's users see.

extension CachedListing {
  /// What is published of a task; nil when nothing is.
  static func published(_ db: Database, task: TaskRow) throws -> CachedListing? {
    guard let state = task.state else { return nil }
    let members = try MemberRow.all(db, task: task.id, generation: task.generation).map(CachedMember.init)
    let directories = try Row.fetchAll(
      db, sql: "SELECT * FROM directory WHERE task = ? AND generation = ? ORDER BY path",
      arguments: [task.id, task.generation])
    return CachedListing(
      state: state == "complete"
        ? .complete
        : .broken(reason: task.reason ?? "the download broke", failureKind: task.word ?? CachedListing.damageWord),
      members: members,
      directories: directories.map { row in
        CachedDirectory(
          path: JoinedPath.split(row["path"]), modifiedSeconds: row["modified_seconds"],
          modifiedNanoseconds: row["modified_nanoseconds"])
      },
      downloadedAt: Date(timeIntervalSince1970: Double(task.downloadedAt ?? 0) / 1000), billed: task.isBilled,
      package: task.package)
  }
}

extension CachedMember {
  init(_ row: MemberRow) {
    let state: State
    switch row.state {
    case .stored: state = .stored
    case .evicted: state = .evicted
    case .failed: state = .failed(reason: row.reason ?? "", failureKind: row.word ?? CachedListing.damageWord)
    case .damaged:
      state = .failed(reason: row.reason ?? "the cached bytes are damaged", failureKind: CachedListing.damageWord)
    }
    self.init(
      ordinal: Int(row.ordinal), path: JoinedPath.split(row.path), size: ByteCount(row.size),
      modifiedSeconds: row.modifiedSeconds, modifiedNanoseconds: row.modifiedNanoseconds, crc32: row.crc32,
      state: state, isDamaged: row.state == .damaged, place: row.place)
  }
}

/// How the index writes a path: components hold no slash, so that joining them loses nothing.
enum JoinedPath {
  static func join(_ components: [String]) -> String { components.joined(separator: "/") }
  static func split(_ path: String) -> [String] {
    path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
  }
}
