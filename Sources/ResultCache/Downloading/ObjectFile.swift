import Glibc

/// A member's file while it is written. Confined to the writer's thread.
struct ObjectFile {
  let name: String
  let path: String
  private let file: Descriptor
  private(set) var size: Int64 = 0
  private var checksums: ChunkChecksums
  private var handedToDisk: Int64 = 0

  /// So many bytes at a time are handed to the disk while more arrive, so that little is left to wait for at the end.
  private static let writebackStep: Int64 = 8 << 20

  init(name: String, path: String, checksum: @escaping Checksum) throws(CacheFailure) {
    self.name = name
    self.path = path
    file = try Descriptor.open(path, O_WRONLY | O_CREAT | O_EXCL)
    checksums = ChunkChecksums(checksum: checksum)
  }

  var chunkSize: Int { checksums.chunkSize }
  var allChecksums: [UInt32] { checksums.all }

  /// Appends bytes.
  /// - Parameter makeRoom: called when the disk is full; true when it is worth another try.
  /// - Throws: `.noSpace` or `.io`; the bytes may then be there in part, and nothing more can be appended.
  mutating func append(
    _ bytes: UnsafeRawBufferPointer, makeRoom: () throws(CacheFailure) -> Bool
  ) throws(CacheFailure) {
    var rest = bytes
    while !rest.isEmpty {
      let count = pwrite(file.number, rest.baseAddress, rest.count, off_t(size))
      if count > 0 {
        checksums.append(UnsafeRawBufferPointer(rebasing: rest[..<count]))
        size += Int64(count)
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        continue
      }
      let code = count == 0 ? ENOSPC : errno
      if code == EINTR { continue }
      if code == ENOSPC || code == EDQUOT, try makeRoom() { continue }
      throw CacheFailure(errno: code, "can't write to the cache")
    }
    if size - handedToDisk >= Self.writebackStep { handToDisk() }
  }

  mutating func handToDisk() {
    guard size > handedToDisk else { return }
    LinuxCalls.startWriteback(file.number, from: handedToDisk, count: size - handedToDisk)
    handedToDisk = size
  }
}

/// Brings objects to the disk, many at a time. Blocking.
enum DurableObjects {
  struct Written: Sendable {
    let id: Int64
    let path: String
  }

  /// From so many on, one sync of the file system is cheaper than one of each file: each waits for a commit of the file
  /// system's journal.
  private static let wholeFileSystemFrom = 32

  /// Returns once all bytes, and the names in `folder`, are on the disk.
  /// - Returns: how each file looks now. A file that is gone is left out.
  static func synchronize(_ objects: [Written], folder: String, directory: Descriptor) throws(CacheFailure)
    -> [(id: Int64, stamp: ObjectStamp)]
  {
    guard !objects.isEmpty else { return [] }
    let isWhole = objects.count >= wholeFileSystemFrom
    let isDone = isWhole ? try LinuxCalls.synchronizeFileSystem(of: directory.number) : false
    var stamps: [(id: Int64, stamp: ObjectStamp)] = []
    for object in objects {
      do throws(CacheFailure) {
        let file = try Descriptor.open(object.path, O_RDONLY)
        if !isDone { try file.synchronize() }
        stamps.append((object.id, try file.stamp()))
      } catch {
        guard error.kind == .notFound else { throw error }
      }
    }
    if !isDone { try Directories.synchronize(folder) }
    return stamps
  }
}
