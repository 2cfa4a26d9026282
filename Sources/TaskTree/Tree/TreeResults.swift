import FileSystem
import ResultCache
import Tasks

// Names and content below `results/`: the accesses that may cost money.

extension TaskTreeFileSystem {
  /// Finds a name in a task's results, downloading them if nobody knows their names yet.
  func findResult(_ components: [String], of task: TaskPath, requester: Requester) async throws(FileSystemFailure)
    -> (found: ResultIndex.Found, edition: Edition)?
  {
    let stored = try await engine.stored(task)
    if let stored, let found = stored.index.find(components) { return (found, stored.edition) }
    if let stored, stored.breakage == nil { return nil }
    // A desktop's curiosity: nothing that is there by this name is missed by a program that asks for it after the listing.
    if let name = components.last, DesktopProbes.contains(name) {
      return engine.desk.running(task)?.found(components).map { ($0, .only) }
    }
    let path = Node.resultDirectory(task, components, .only).path
    switch try await engine.access(task, want: .listing, requester: requester, path: path) {
    case .stored(let stored):
      if let found = stored.index.find(components) { return (found, stored.edition) }
      try throwBreakage(of: stored, task, requester)
      return nil
    case .arriving(let download):
      let found = try await download.find(components)
      if let found, !download.isOver { return (found, .only) }
      let stored = try await download.ended()
      if let found { return (found, stored.edition) }
      try throwBreakage(of: stored, task, requester)
      return nil
    }
  }

  /// The complete listing of a task's results, waiting for it if need be.
  func resultListing(of task: TaskPath, requester: Requester) async throws(FileSystemFailure) -> StoredResults {
    let path = Node.resultDirectory(task, [], .only).path
    switch try await engine.access(task, want: .listing, requester: requester, path: path) {
    case .stored(let stored): return stored
    case .arriving(let download): return try await download.ended()
    }
  }

  func openResult(_ task: TaskPath, _ components: [String], _ edition: Edition, for requester: Requester)
    async throws(FileSystemFailure) -> OpenFile
  {
    engine.metrics.count(.opens)
    if let opened = try await openKnown(task, components, edition, for: requester) { return opened }
    // One open waits for one download at most: what is gone again by the end of it is not bought once more.
    if let opened = try await openArriving(task, components, for: requester) { return opened }
    engine.refresh(task)
    if let opened = try await openKnown(task, components, edition, for: requester) { return opened }
    throw FileSystemFailure(.inputOutput, "the cache is being emptied faster than it is filled; see `cache.max_size`")
  }

  /// Opens what needs no download of the task as a whole: nil where it does.
  private func openKnown(_ task: TaskPath, _ components: [String], _ edition: Edition, for requester: Requester)
    async throws(FileSystemFailure) -> OpenFile?
  {
    // A name of another version: the kernel looks it up again when it is told so.
    if let stored = try await engine.stored(task), stored.edition != edition { throw FileSystemFailure(.stale) }
    if let opened = try await openStored(task, components) { return opened }
    return try await openRanged(task, components, for: requester)
  }

  /// Opens a member of a package, of which so much is fetched as is read.
  private func openRanged(_ task: TaskPath, _ components: [String], for requester: Requester)
    async throws(FileSystemFailure) -> OpenFile?
  {
    guard let stored = try await engine.stored(task), let file = stored.index.file(components),
      let member = stored.member(file), member.isWorthFetching
    else { return nil }
    let path = Node.resultFile(task, components, stored.edition).path
    guard let ranged = try await engine.ranged(member, of: task, stored, requester: requester, path: path) else {
      return nil
    }
    do throws(FileSystemFailure) {
      try await ranged.open()
      let handle = try await handle(of: ranged)
      let hasWrongPages = ranged.tools.spoilt.take(member.ordinal, of: task)
      return OpenFile(handle: handle, caching: hasWrongPages ? .renew : .keep)
    } catch {
      engine.refresh(task)
      throw error
    }
  }

  /// Takes over one `open()` of a file.
  private func handle(of file: RangedFile) async throws(FileSystemFailure) -> HandleNumber {
    let limit = await file.account.readAheadLimit()
    do throws(CacheFailure) {
      let descriptor = FileDescriptorBox(owning: try file.object.duplicateDescriptor())
      return handles.open(.ranged(RangedHandle(file, descriptor: descriptor, limit: limit)))
    } catch {
      file.close()
      throw FileSystemFailure(error)
    }
  }

  private func openStored(_ task: TaskPath, _ components: [String]) async throws(FileSystemFailure) -> OpenFile? {
    guard let stored = try await engine.stored(task), let file = stored.index.file(components) else { return nil }
    guard let member = stored.member(file) else { return nil }
    if let failure = file.failure {
      // A new download brings back what was damaged on this disk, but nothing that came damaged, encrypted or unsupported.
      if member.isDamaged, try isFetchedAgain(task) { return nil }
      throw failure
    }
    if member.state == .evicted, member.size == .zero {
      return OpenFile(handle: handles.open(.snapshot([])), caching: .keep)
    }
    guard member.state == .stored else { return nil }
    do throws(CacheFailure) {
      let object = try await engine.cache.open(member, of: task)
      engine.metrics.count(.openHits)
      let descriptor = try object.duplicateDescriptor()
      let handle = handles.open(.stored(FileDescriptorBox(owning: descriptor), size: file.size))
      return OpenFile(handle: handle, caching: .keep)
    } catch {
      engine.refresh(task)
      if error.kind == .notFound { return nil }
      if error.kind == .damaged, try isFetchedAgain(task) { return nil }
      throw FileSystemFailure(error)
    }
  }

  /// What is free is fetched again by itself; what was paid for is not.
  private func isFetchedAgain(_ task: TaskPath) throws(FileSystemFailure) -> Bool {
    try engine.configured(for: task).source.price.isFree
  }

  private func openArriving(_ task: TaskPath, _ components: [String], for requester: Requester)
    async throws(FileSystemFailure) -> OpenFile?
  {
    let path = Node.resultFile(task, components, .only).path
    let access = try await engine.access(task, want: .content, requester: requester, path: path)
    guard case .arriving(let download) = access else { return nil }
    if case .file(let file)? = try await download.find(components), let failure = file.failure { throw failure }
    guard let object = try await download.content(of: components) else {
      let stored = try await download.ended()
      engine.refresh(task)
      if stored.index.file(components) != nil, stored.breakage == nil { return nil }
      try throwBreakage(of: stored, task, requester)
      throw FileSystemFailure(.stale, "the archive no longer holds this file")
    }
    do throws(CacheFailure) {
      let descriptor = try object.duplicateDescriptor()
      let file = HandleTable.ArrivingFile(
        object: object, descriptor: FileDescriptorBox(owning: descriptor), download: download, components: components)
      let handle = handles.open(.arriving(file))
      // Without the page cache a reader that waits for bytes can be interrupted, which one that waits for a page can't.
      return OpenFile(handle: handle, caching: object.isComplete ? .keep : .none)
    } catch {
      // Evicted meanwhile: that is no reason to say that it does not exist.
      if error.kind == .notFound { return nil }
      throw FileSystemFailure(error)
    }
  }

  /// How many bytes can be read at `offset`, once they are there.
  func available(_ file: HandleTable.ArrivingFile, _ offset: UInt64, _ count: Int) async throws(FileSystemFailure)
    -> Int
  {
    let failure: CacheFailure
    do throws(CacheFailure) {
      return try await file.object.waitFor(offset: offset, count: count)
    } catch {
      failure = error
    }
    if failure.kind == .cancelled { throw FileSystemFailure(failure) }
    // The cache knows that the bytes will not come; the download knows why, often before it ends.
    if let damage = file.download.published(file.components)?.failure { throw damage }
    let stored = try await file.download.ended()
    if let damage = stored.index.file(file.components)?.failure { throw damage }
    throw stored.breakage ?? FileSystemFailure(failure)
  }

  private func throwBreakage(of stored: StoredResults, _ task: TaskPath, _ requester: Requester)
    throws(FileSystemFailure)
  {
    guard let breakage = stored.breakage else { return }
    throw try engine.decision(for: task, requester: requester).paidOnce(breakage)
  }
}
