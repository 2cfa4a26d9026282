import Glibc
import Logging
import Synchronization
import Tasks

/// What the world tells the cache; replaced in tests.
struct CacheEnvironment: Sendable {
  /// Bytes that an ordinary user can still use on the file system of the open file.
  var freeSpace: @Sendable (_ descriptor: Int32) throws(CacheFailure) -> Int64 = Self.measuredFreeSpace
  /// Another one after each start of the machine.
  var boot: @Sendable () -> String = {
    guard let file = fopen("/proc/sys/kernel/random/boot_id", "r") else { return "unknown" }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 64)
    guard fgets(&line, Int32(line.count), file) != nil else { return "unknown" }
    return String(decoding: line.prefix { $0 > 32 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
  /// Milliseconds since 1970.
  var now: @Sendable () -> Int64 = {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
  }

  private static let measuredFreeSpace: @Sendable (Int32) throws(CacheFailure) -> Int64 = {
    descriptor throws(CacheFailure) in
    var status = statvfs()
    guard fstatvfs(descriptor, &status) == 0 else {
      throw CacheFailure(errno: errno, "can't ask how full the cache's disk is")
    }
    let (bytes, overflow) = Int64(status.f_bavail).multipliedReportingOverflow(by: Int64(status.f_frsize))
    return overflow ? .max : bytes
  }
}

/// What all parts of one open cache share.
final class CacheCore: Sendable {
  let layout: CacheLayout
  let limits: CacheLimits
  let checksum: Checksum
  let logger: Logger
  let environment: CacheEnvironment
  let index: CacheIndex
  /// Tells the objects that this very cache object wrote from those of other and earlier processes.
  let session = Int64.random(in: .min ... .max)
  /// The cache's directory, for asking its file system.
  let directory: Descriptor
  /// What sources charge, as far as they are known: for the order of eviction.
  let prices: [SourceName: PricePerGigabyte]
  let sparseObjects = SparseRegistry()
  /// Work that goes on after objects were let go of.
  let endings = SparseEndings()
  /// Held shared as long as this cache is open, so that nobody moves the index away under it.
  private let userLock: FileLock
  private let counted = Mutex(CountedUsage())
  private let lastTouched = Mutex<[EvictionUnit: Int64]>([:])

  private struct CountedUsage {
    var usage = CacheUsage(bytes: .zero, objects: 0)
    var countedAt: Int64 = 0
  }

  init(
    layout: CacheLayout, limits: CacheLimits, checksum: @escaping Checksum, logger: Logger,
    environment: CacheEnvironment, prices: [SourceName: PricePerGigabyte], index: CacheIndex, userLock: FileLock
  ) throws(CacheFailure) {
    self.layout = layout
    self.limits = limits
    self.checksum = checksum
    self.logger = logger
    self.environment = environment
    self.prices = prices
    self.index = index
    self.userLock = userLock
    directory = try Descriptor.open(layout.root, O_RDONLY | O_DIRECTORY)
  }

  func freeSpace() throws(CacheFailure) -> Int64 { try environment.freeSpace(directory.number) }

  // MARK: - usage, from memory

  /// Other processes change the index too: what was counted longer ago is counted again, in the background.
  private static let usageLifetimeMilliseconds: Int64 = 5_000

  func usage() -> CacheUsage {
    let now = environment.now()
    let (usage, isOld) = counted.withLock { counted in
      let isOld = now - counted.countedAt > Self.usageLifetimeMilliseconds
      if isOld { counted.countedAt = now }
      return (counted.usage, isOld)
    }
    if isOld { Task { try? await OffPool.run { () throws(CacheFailure) in try self.recount() } } }
    return usage
  }

  func recount() throws(CacheFailure) {
    let usage = try index.readBlocking { try Room.usage($0) }
    if let free = try? freeSpace() { index.refillReserve(free: free) }
    let now = environment.now()
    counted.withLock { $0 = CountedUsage(usage: usage, countedAt: now) }
  }

  // MARK: - recency

  /// Eviction needs to know when something was used last to within a minute, not at every open; uses within a minute count as one.
  private static let touchIntervalMilliseconds: Int64 = 60_000
  /// 64 bytes each.
  private static let touchedLimit = 20_000

  /// Whether a use is worth a note in the index by now.
  func shouldTouch(_ unit: EvictionUnit) -> Bool {
    let now = environment.now()
    return lastTouched.withLock { touched in
      if let last = touched[unit], now - last < Self.touchIntervalMilliseconds, now >= last { return false }
      if touched.count >= Self.touchedLimit { touched.removeAll(keepingCapacity: true) }
      touched[unit] = now
      return true
    }
  }
}
