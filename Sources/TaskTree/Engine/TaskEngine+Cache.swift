import Archives
import FileSystem
import ResultCache
import Tasks

// What can be done with cached results apart from reading them. None of it asks an API.

extension TaskEngine {
  /// All tasks of which the cache knows anything, also those of sources that are no longer configured.
  public func cachedTasks() async throws(FileSystemFailure) -> [TaskPath] {
    try await asking { () async throws(CacheFailure) in try await self.cache.tasks() }
  }

  public func pinnedTasks() async throws(FileSystemFailure) -> Set<TaskPath> {
    try await asking { () async throws(CacheFailure) in try await self.cache.pinnedTasks() }
  }

  /// Keeps a task's bytes from being evicted, or lets them go again.
  /// - Returns: false when nothing of the task was ever downloaded, so that there is nothing to keep.
  public func setPinned(_ isPinned: Bool, _ task: TaskPath) async throws(FileSystemFailure) -> Bool {
    try await asking { () async throws(CacheFailure) in try await self.cache.setPinned(isPinned, task) }
  }

  /// Drops a task's bytes and keeps its listing. Files that are open stay readable to those who have them open.
  /// - Parameter evenPinned: whether to go past a pin; the pin itself stays.
  /// - Throws: `.accessDenied` for pinned content.
  public func evict(_ task: TaskPath, evenPinned: Bool, requester: Requester) async throws(FileSystemFailure)
    -> EvictionReport
  {
    let freed = try await asking { () async throws(CacheFailure) in
      try await self.cache.evict(task, evenPinned: evenPinned)
    }
    refresh(task)
    return EvictionReport(task: task, freed: freed, again: try await cost(of: task, requester: requester))
  }

  /// Reads every cached byte of a task and compares it with its checksums; what is damaged can't be opened from then on.
  /// - Returns: nil when nothing of the task was ever downloaded.
  public func verify(_ task: TaskPath, progress: @escaping @Sendable (VerificationProgress) -> Void = { _ in })
    async throws(FileSystemFailure) -> VerificationReport?
  {
    defer { refresh(task) }
    return try await asking { () async throws(CacheFailure) in
      try await self.cache.verify(task, contentChecksum: { crc32($0, continuing: $1) }, progress: progress)
    }
  }

  /// Whether damage of this task is mended without being asked: it costs nothing, and an access would fetch it as well.
  public func isMendedByItself(_ task: TaskPath) -> Bool {
    guard let configured = try? configured(for: task) else { return false }
    return configured.source.price.isFree && configured.fetchMode == .onAccess
  }

  private func asking<Value: Sendable>(_ body: () async throws(CacheFailure) -> Value) async throws(FileSystemFailure)
    -> Value
  {
    do throws(CacheFailure) {
      return try await body()
    } catch {
      throw FileSystemFailure(error)
    }
  }
}
