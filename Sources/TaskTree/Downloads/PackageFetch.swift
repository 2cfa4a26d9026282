import FileSystem
import ResultCache
import Tasks

// `tollfs fetch` of a package whose names are known: what is missing, file by file, in the order of the package.

extension DownloadRun {
  /// Bytes of content that are asked for in one step.
  private static let step: UInt64 = 4 << 20

  /// The listing of a package, where it is known already.
  func knownPackage() async throws(FileSystemFailure) -> StoredResults? {
    do throws(CacheFailure) {
      guard let listing = try await cache.listing(of: order.task), listing.package != nil else { return nil }
      return StoredResults(listing)
    } catch {
      throw FileSystemFailure(error)
    }
  }

  /// Brings everything that is not here. A file that can't be had does not keep the others away.
  /// - Throws: the first failure, once the others were tried; at once where the others would fail in the same way.
  func fetch(_ known: StoredResults) async throws(FileSystemFailure) -> StoredResults {
    var failure: FileSystemFailure?
    let known = try await withoutDamage(known)
    let missing = known.listing.members.filter(\.isWorthFetching)
    download.announce(expected: missing.reduce(.zero) { $0 + ($1.place?.compressedSize ?? .zero) }, assumed: .zero)
    for member in missing {
      if Task.isCancelled { throw FileSystemFailure(.interrupted) }
      do throws(FileSystemFailure) {
        try await fetch(member, of: known.listing)
      } catch {
        guard error.kind == .damaged else { throw error }
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
    guard let complete = try await knownPackage() else {
      throw FileSystemFailure(.stale, "the package changed while it was fetched")
    }
    return complete
  }

  /// What came damaged, and was perhaps paid for, is fetched again because somebody asks for it.
  private func withoutDamage(_ known: StoredResults) async throws(FileSystemFailure) -> StoredResults {
    guard known.damagedFiles > 0 else { return known }
    do throws(CacheFailure) {
      try await cache.dropDamaged(of: order.task)
    } catch {
      throw FileSystemFailure(error)
    }
    return try await knownPackage() ?? known
  }

  private func fetch(_ member: CachedMember, of listing: CachedListing) async throws(FileSystemFailure) {
    let wish = RangeOrder(task: order.task, source: order.source, requester: order.requester, path: order.path)
    guard let file = try await ranges.file(member, of: listing, for: wish) else { return }
    try await file.open()
    defer { file.close() }
    var position: UInt64 = 0
    while position < file.size {
      let end = min(file.size, position + Self.step)
      try await file.read(position..<end, ahead: ReadAhead.most)
      download.advance(received: Int(end - position), original: .zero)
      position = end
    }
    try await file.completed()
  }
}
