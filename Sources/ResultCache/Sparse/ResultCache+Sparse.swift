import Tasks

extension ResultCache {
  /// A member's content that arrives in parts: one object a member in this process, whoever asks. What is here of it from an
  /// earlier run, or by another process, is used.
  /// - Parameter costs: whether fetching it is paid for; such content is evicted last, and never fetched again by itself
  ///   where it turns out to be damaged.
  /// - Throws: `.notFound` when it is another file by now, `.damaged`, `.noSpace`, `.io`.
  public func sparse(_ member: CachedMember, of task: TaskPath, costs: Bool) async throws(CacheFailure) -> SparseObject
  {
    let opening = SparseOpening(core: core, task: task, member: member, costs: costs)
    for _ in 0..<Self.openingTries {
      switch try await openings.run({ () throws(CacheFailure) in try opening.run() }) {
      case .object(let object, let isNew):
        // A new one has just been used for the first time.
        if !isNew { await touch(.member(object: object.identity.object)) }
        return object
      case .stored(let identity, let points):
        return SparseObject(
          core: core, identity: identity, stored: try await open(member, of: task), seekPoints: points)
      case .changed: continue
      }
    }
    throw CacheFailure(.io, "the cached copy of \(JoinedPath.join(member.path)) is being changed")
  }

  /// Somebody who evicts or completes the member in between costs a try.
  private static let openingTries = 5

  /// Waits until what was let go of is written down: what is still on its way to the disk, and room that was not used. Without
  /// it the next start does the same.
  public func settle() async {
    await core.endings.wait()
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
