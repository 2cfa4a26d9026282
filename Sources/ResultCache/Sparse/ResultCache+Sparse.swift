import Tasks

extension ResultCache {
  /// A member's content that arrives in parts; one object a member in this process, whoever asks.
  public func sparse(_ member: CachedMember, of task: TaskPath, costs: Bool) async throws(CacheFailure) -> SparseObject
  {
    throw CacheFailure(.io, "not yet")
  }

  /// Forgets a package's listing and its bytes, because the store has another version by now.
  ///
  /// Does nothing where the listing is not of that version.
  public func dropPackage(of task: TaskPath, version: PackageVersion) async throws(CacheFailure) {
    let core = core
    try await holding(task) { row throws(CacheFailure) in
      let names = try core.index.writeBlocking(durably: true) { db -> [String]? in
        guard let now = try TaskRow.find(db, id: row.id), now.package == version else { return nil }
        return try Publishing.forget(db, task: now)
      }
      guard let names else { return }
      core.layout.remove(names, of: row.folder)
      try core.index.writeBlocking { try Publishing.markSwept($0, task: row.id) }
      try? core.recount()
    }
  }
}
