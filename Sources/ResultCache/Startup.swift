import Glibc
import Logging
import Tasks

/// Opens a cache's directory: one process at a time, the others wait a moment. Blocking.
struct Startup: Sendable {
  let layout: CacheLayout
  let limits: CacheLimits
  let checksum: Checksum
  let logger: Logger
  let environment: CacheEnvironment
  let prices: [SourceName: PricePerGigabyte]

  /// Putting a crashed cache in order takes well under this; a process that was stopped in the middle must not hold up others for good.
  private static let deadlineSeconds = 30

  func run() throws(CacheFailure) -> CacheCore {
    try layout.create()
    let startup = try wait("another process") { () throws(CacheFailure) in try FileLock.attempt(layout.startupLock) }
    return try withExtendedLifetime(startup) { () throws(CacheFailure) in
      let user = try wait("another process") { () throws(CacheFailure) in
        try FileLock.attempt(layout.userLock, .shared)
      }
      let index = try openIndex(user)
      let core = try CacheCore(
        layout: layout, limits: limits, checksum: checksum, logger: logger, environment: environment, prices: prices,
        index: index, userLock: user)
      try Recovery(core: core).run()
      try core.recount()
      return core
    }
  }

  private func wait(
    _ whom: String, for attempt: () throws(CacheFailure) -> FileLock?
  ) throws(CacheFailure) -> FileLock {
    // 10 ms a try.
    for _ in 0..<(Self.deadlineSeconds * 100) {
      if let lock = try attempt() { return lock }
      usleep(10_000)
    }
    throw CacheFailure(.io, "the cache in \(layout.root) is being opened by \(whom) that does not get on")
  }

  private func openIndex(_ user: FileLock) throws(CacheFailure) -> CacheIndex {
    let isMarked = access(layout.damageMark, F_OK) == 0
    do throws(IndexOpeningFailure) {
      if !isMarked { return try CacheIndex(layout) }
    } catch {
      guard error.isDamaged else { throw error.failure }
    }
    try moveAside(user)
    do throws(IndexOpeningFailure) {
      return try CacheIndex(layout)
    } catch {
      throw error.failure
    }
  }

  /// Puts a damaged index aside with the objects that only it knew: they may have been paid for, and sqlite3's `.recover`
  /// often finds their names again. The cache begins empty.
  private func moveAside(_ user: FileLock) throws(CacheFailure) {
    guard try user.change(to: .exclusive) else {
      throw CacheFailure(
        .io, "the cache's index \(layout.index) is damaged, and another process uses it; end that process first")
    }
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    let aside = layout.root + "/damaged-\(time.tv_sec)-\(CacheLayout.randomName().prefix(4))"
    try Directories.make(aside)
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm", "objects"] {
      if rename(layout.root + "/" + name, aside + "/" + name) != 0, errno != ENOENT {
        throw CacheFailure(errno: errno, "can't move the damaged index \(layout.index) to \(aside)")
      }
    }
    unlink(layout.damageMark)
    try layout.create()
    guard try user.change(to: .shared) else {
      throw CacheFailure(.io, "can't lock the cache in \(layout.root)")
    }
    logger.error(
      "the cache's index was damaged and has been moved aside with its files; the cache begins empty",
      metadata: ["index": "\(layout.index)", "moved_to": "\(aside)/index.sqlite", "files": "\(aside)/objects"])
  }
}
