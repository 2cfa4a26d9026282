import Glibc
import Tasks

/// Where everything is below the cache's directory.
///
/// ```
/// index.sqlite                 what is known (SQLite, WAL)
/// reserve                      space for it on a full disk
/// lock                         held shared by every process that uses the cache
/// startup                      held while a process opens the cache
/// locks/FOLDER                 held by the one who changes a task: downloads, evicts or recovers it
/// objects/FOLDER/NAME          the bytes of one member, at offset 0; or the seek points of one
/// objects/FOLDER/NAME.map      which of the bytes are here, and their checksums, while some are missing
/// spool/FOLDER/                raw temporary files of a running download
/// damaged-TIME/                a damaged index and its objects, moved aside
/// ```
/// FOLDER stands for a task and NAME is random: nothing from an archive or an API ever becomes a file name here.
struct CacheLayout: Sendable {
  let root: String

  var index: String { root + "/index.sqlite" }
  /// Left by a process that found the index damaged while it ran: the next one moves it aside.
  var damageMark: String { root + "/index.damaged" }
  var reserve: String { root + "/reserve" }
  var userLock: String { root + "/lock" }
  var startupLock: String { root + "/startup" }
  var objects: String { root + "/objects" }
  var locks: String { root + "/locks" }
  var spool: String { root + "/spool" }

  func objects(of folder: String) -> String { objects + "/" + folder }
  func object(_ name: String, of folder: String) -> String { objects + "/" + folder + "/" + name }
  func map(_ name: String, of folder: String) -> String { object(name, of: folder) + Self.mapSuffix }
  func lock(of folder: String) -> String { locks + "/" + folder }
  func spool(of folder: String) -> String { spool + "/" + folder }

  /// The folder of a task: 128 bits of hash (FNV-1a, from two starting points) of its path, so that a lock can be taken
  /// before anything is known of the task. Two tasks with the same folder are refused by the index, not mixed up.
  static func folder(for task: TaskPath) -> String {
    // The offset basis and prime of 64-bit FNV-1a; the second half starts from the basis with its bits flipped.
    let basis: UInt64 = 0xcbf2_9ce4_8422_2325
    let prime: UInt64 = 0x0000_0100_0000_01b3
    var halves = (basis, ~basis)
    for byte in task.description.utf8 {
      halves.0 = (halves.0 ^ UInt64(byte)) &* prime
      halves.1 = (halves.1 ^ UInt64(byte)) &* prime
    }
    return hex(halves.0) + hex(halves.1)
  }

  static let mapSuffix = ".map"

  /// Removes files that the index no longer knows.
  func remove(_ names: [String], of folder: String) {
    for name in names {
      unlink(object(name, of: folder))
      unlink(map(name, of: folder))
    }
  }

  static func randomName() -> String { hex(.random(in: .min ... .max)) }

  private static func hex(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// Makes the directories that are missing; the cache's contents are for its owner alone (0700).
  func create() throws(CacheFailure) {
    try Directories.make(root)
    for directory in [objects, locks, spool] { try Directories.make(directory) }
  }
}

/// The few things that are done with directories.
enum Directories {
  /// Makes a directory and what is missing above it.
  static func make(_ path: String) throws(CacheFailure) {
    if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
      throw CacheFailure(errno: errno, "can't make the directory \(path)")
    }
    try make(String(path[..<slash]))
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
      throw CacheFailure(errno: errno, "can't make the directory \(path)")
    }
  }

  /// The names in a directory, none when it is not there.
  static func names(in path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// Removes a directory and everything in it. What can't be removed is left: the next start tries again.
  static func remove(_ path: String) {
    for name in names(in: path) {
      let child = path + "/" + name
      if unlink(child) != 0, errno == EISDIR || errno == EPERM { remove(child) }
    }
    rmdir(path)
  }

  /// Returns once the directory's names are on the disk.
  static func synchronize(_ path: String) throws(CacheFailure) {
    let directory = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
    guard fsync(directory.number) == 0 else {
      throw CacheFailure(errno: errno, "can't write the directory \(path) to the disk")
    }
  }
}
