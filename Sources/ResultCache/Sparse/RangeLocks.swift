import Glibc

/// Locks on ranges of a file that belong to the open file, not to the process (fcntl(2), open file description locks): two
/// objects of one process exclude each other as those of two processes do, and the kernel releases them when the file is closed.
enum RangeLocks {
  // F_OFD_GETLK, F_OFD_SETLK and F_OFD_SETLKW of fcntl.h, which Glibc's Swift module hides.
  private static let getCommand: Int32 = 36
  private static let setCommand: Int32 = 37
  private static let setAndWaitCommand: Int32 = 38

  /// Takes what nobody else holds.
  /// - Returns: what was taken, in order.
  static func take(_ range: Range<Int>, of file: Descriptor) throws(CacheFailure) -> [Range<Int>] {
    var taken: [Range<Int>] = []
    var rest = range
    while !rest.isEmpty {
      if try attempt(rest, of: file) {
        taken.append(rest)
        break
      }
      // Somebody's lock may have gone in between: then it is tried again.
      guard let held = try conflict(in: rest, of: file) else { continue }
      let free = rest.lowerBound..<max(rest.lowerBound, held.lowerBound)
      if !free.isEmpty {
        if try !attempt(free, of: file) { continue }
        taken.append(free)
      }
      rest = min(held.upperBound, rest.upperBound)..<rest.upperBound
    }
    return taken
  }

  /// The parts of a range that others hold, in order.
  static func held(in range: Range<Int>, of file: Descriptor) throws(CacheFailure) -> [Range<Int>] {
    var held: [Range<Int>] = []
    var rest = range
    while !rest.isEmpty, let next = try conflict(in: rest, of: file) {
      held.append(next.clamped(to: rest))
      rest = min(next.upperBound, rest.upperBound)..<rest.upperBound
    }
    return held
  }

  static func release(_ range: Range<Int>, of file: Descriptor) {
    guard !range.isEmpty else { return }
    _ = call(setCommand, Glibc.F_UNLCK, range, file)
  }

  /// Takes a range, waiting for who has it. For locks that are held for moments only.
  static func wait(for range: Range<Int>, of file: Descriptor) throws(CacheFailure) {
    while let code = call(setAndWaitCommand, Glibc.F_WRLCK, range, file).failure {
      guard code == EINTR else { throw CacheFailure(errno: code, "can't lock a file of the cache") }
    }
  }

  private static func attempt(_ range: Range<Int>, of file: Descriptor) throws(CacheFailure) -> Bool {
    guard let code = call(setCommand, Glibc.F_WRLCK, range, file).failure else { return true }
    if code == EAGAIN || code == EACCES { return false }
    throw CacheFailure(errno: code, "can't lock a file of the cache")
  }

  /// The first part of a range that somebody else holds.
  private static func conflict(in range: Range<Int>, of file: Descriptor) throws(CacheFailure) -> Range<Int>? {
    let (lock, failure) = call(getCommand, Glibc.F_WRLCK, range, file)
    if let failure { throw CacheFailure(errno: failure, "can't lock a file of the cache") }
    if Int32(lock.l_type) == Glibc.F_UNLCK { return nil }
    let start = Int(lock.l_start)
    return start..<(lock.l_len == 0 ? Int.max : start + Int(lock.l_len))
  }

  private static func call(_ command: Int32, _ type: Int32, _ range: Range<Int>, _ file: Descriptor) -> (
    lock: Glibc.flock, failure: Int32?
  ) {
    var lock = Glibc.flock()
    lock.l_type = Int16(type)
    lock.l_whence = Int16(SEEK_SET)
    lock.l_start = off_t(range.lowerBound)
    lock.l_len = off_t(range.count)
    let result = fcntl(file.number, command, &lock)
    return (lock, result == 0 ? nil : errno)
  }
}
