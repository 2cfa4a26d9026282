import Glibc
import Synchronization

/// The map beside a member that arrives in parts: which of its blocks are here, and their checksums. Blocking.
///
/// A block's bytes are written before its entry. Who fetches a block holds a lock on the byte of the map whose number is the
/// block's; who changes entries without fetching holds the maintenance lock.
final class SparseMap: Sendable {
  private let file: Descriptor
  let count: Int
  /// Locks that belong to the open file don't exclude the threads of this process.
  private let maintenance = Mutex(())

  /// Beyond every block.
  private static let maintenanceByte = 1 << 40..<1 << 40 + 1

  enum Condition: Hashable, Sendable {
    case found, new, garbage
  }

  /// Opens a map, making it if it is not there or useless.
  init(_ path: String, count: Int) throws(CacheFailure) {
    file = try Descriptor.open(path, O_RDWR | O_CREAT)
    self.count = count
  }

  /// Looks at the header, and begins anew where it is not that of this member's map.
  func prepare(size: UInt64) throws(CacheFailure) -> Condition {
    var condition = Condition.found
    try maintaining { () throws(CacheFailure) in
      let expected = MapHeader(size: size).words
      let found = try read(at: 0, count: expected.count)
      if found == expected { return }
      condition = found.isEmpty ? .new : .garbage
      if !found.isEmpty, ftruncate(file.number, 0) != 0 { throw CacheFailure(errno: errno, "can't begin a map anew") }
      try write(expected, at: 0) { () throws(CacheFailure) in false }
    }
    return condition
  }

  func isOf(size: UInt64) throws(CacheFailure) -> Bool {
    let expected = MapHeader(size: size).words
    return try read(at: 0, count: expected.count) == expected
  }

  /// Every block that the map says anything of: here, or damaged.
  func present() throws(CacheFailure) -> BlockSet {
    var set = BlockSet(count: count)
    // 64 KiB of entries at a time.
    for start in stride(from: 0, to: count, by: 8_192) {
      let run = start..<min(start + 8_192, count)
      for (block, reading) in zip(run, try readings(of: run)) where reading != .absent { set.insert(block..<block + 1) }
    }
    return set
  }

  func readings(of run: Range<Int>) throws(CacheFailure) -> [MapEntry.Reading] {
    let raw = try read(at: Self.offset(of: run.lowerBound), count: run.count)
    return run.map { block in
      let index = block - run.lowerBound
      // A new map is as long as its last entry.
      return index < raw.count ? MapEntry.decode(raw[index], block: block) : .absent
    }
  }

  /// - Parameter makeRoom: called when the disk is full; true when it is worth another try.
  func write(_ entries: [MapEntry?], from block: Int, makeRoom: () throws(CacheFailure) -> Bool) throws(CacheFailure) {
    let raw = entries.enumerated().map { index, entry in entry?.encoded(for: block + index) ?? 0 }
    try write(raw, at: Self.offset(of: block), makeRoom: makeRoom)
  }

  /// Changes entries that nobody fetches: `change` gets each block's reading and says what to write, nil for nothing.
  func change(
    _ run: Range<Int>, _ change: (Int, MapEntry.Reading) throws(CacheFailure) -> MapChange?
  ) throws(CacheFailure) {
    try maintaining { () throws(CacheFailure) in
      // A page of entries at a time.
      for start in stride(from: run.lowerBound, to: run.upperBound, by: 512) {
        let part = start..<min(start + 512, run.upperBound)
        var pending: (start: Int, entries: [MapEntry?]) = (start, [])
        for (block, reading) in zip(part, try readings(of: part)) {
          switch try change(block, reading) {
          case .write(let entry): pending.entries.append(entry)
          case nil:
            // Others may write the entries between those that are changed.
            try flush(pending)
            pending = (block + 1, [])
          }
        }
        try flush(pending)
      }
    }
  }

  private func flush(_ pending: (start: Int, entries: [MapEntry?])) throws(CacheFailure) {
    guard !pending.entries.isEmpty else { return }
    try write(pending.entries, from: pending.start) { () throws(CacheFailure) in false }
  }

  func synchronize() throws(CacheFailure) { try file.synchronize() }

  // MARK: - locks

  /// Takes what nobody else fetches.
  func take(_ run: Range<Int>) throws(CacheFailure) -> [Range<Int>] { try RangeLocks.take(run, of: file) }

  /// What others fetch.
  func held(in run: Range<Int>) throws(CacheFailure) -> [Range<Int>] { try RangeLocks.held(in: run, of: file) }

  func release(_ run: Range<Int>) { RangeLocks.release(run, of: file) }

  private func maintaining(_ body: () throws(CacheFailure) -> Void) throws(CacheFailure) {
    try maintenance.withLock { _ throws(CacheFailure) in
      try RangeLocks.wait(for: Self.maintenanceByte, of: file)
      defer { RangeLocks.release(Self.maintenanceByte, of: file) }
      try body()
    }
  }

  // MARK: - bytes

  private static func offset(of block: Int) -> Int { MapHeader.length + block * MapEntry.size }

  /// Numbers as they stand in the file, in the byte order of this machine; fewer where it ends.
  private func read(at offset: Int, count: Int) throws(CacheFailure) -> [UInt64] {
    var words = [UInt64](repeating: 0, count: count)
    var filled = 0
    while filled < count * 8 {
      let result = words.withUnsafeMutableBytes { buffer in
        pread(file.number, buffer.baseAddress.map { $0 + filled }, buffer.count - filled, off_t(offset + filled))
      }
      if result < 0, errno == EINTR { continue }
      guard result >= 0 else { throw CacheFailure(errno: errno, "can't read the map of a cached file") }
      if result == 0 { break }
      filled += result
    }
    return Array(words.prefix(filled / 8))
  }

  private func write(
    _ words: [UInt64], at offset: Int, makeRoom: () throws(CacheFailure) -> Bool
  ) throws(CacheFailure) {
    var written = 0
    while written < words.count * 8 {
      let result = words.withUnsafeBytes { buffer in
        pwrite(file.number, buffer.baseAddress.map { $0 + written }, buffer.count - written, off_t(offset + written))
      }
      if result > 0 {
        written += result
        continue
      }
      let code = result == 0 ? ENOSPC : errno
      if code == EINTR { continue }
      if code == ENOSPC || code == EDQUOT, try makeRoom() { continue }
      throw CacheFailure(errno: code, "can't write the map of a cached file")
    }
  }
}

/// What becomes of an entry.
enum MapChange: Hashable, Sendable {
  /// nil: the block is not here.
  case write(MapEntry?)
}
