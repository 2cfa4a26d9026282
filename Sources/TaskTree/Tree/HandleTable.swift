import FileSystem
import ResultCache
import Synchronization

/// Open files and directories.
///
/// Lock order: a leaf.
final class HandleTable: Sendable {
  /// What an open file reads from.
  enum File: Sendable {
    /// Made at the moment of the open, and the same until it is closed.
    case snapshot([UInt8])
    /// Complete in the cache.
    case stored(FileDescriptorBox, size: UInt64)
    /// Still arriving, or arrived in this run.
    case arriving(ArrivingFile)
    /// Fetched where it is read.
    case ranged(RangedHandle)
  }

  /// A file whose bytes come, or came, with a download of this run.
  struct ArrivingFile: Sendable {
    let object: GrowingObject
    let descriptor: FileDescriptorBox
    let download: Download
    let components: [String]
  }

  /// A directory as it was when it was opened.
  struct Directory: Sendable {
    let path: String
    let items: [DirectoryItem]
    /// In what the listing ends, after its items.
    let failure: FileSystemFailure?
  }

  private struct Content {
    var files: [HandleNumber: File] = [:]
    var directories: [HandleNumber: Directory] = [:]
    var last: UInt64 = 0
  }

  private let content = Mutex(Content())

  func open(_ file: File) -> HandleNumber {
    content.withLock { content in
      content.last += 1
      content.files[HandleNumber(content.last)] = file
      return HandleNumber(content.last)
    }
  }

  func open(_ directory: Directory) -> HandleNumber {
    content.withLock { content in
      content.last += 1
      content.directories[HandleNumber(content.last)] = directory
      return HandleNumber(content.last)
    }
  }

  func file(_ handle: HandleNumber) -> File? {
    content.withLock { $0.files[handle] }
  }

  func directory(_ handle: HandleNumber) -> Directory? {
    content.withLock { $0.directories[handle] }
  }

  func closeFile(_ handle: HandleNumber) {
    // The file is let go of outside the lock: closing a descriptor may take its time.
    let file = content.withLock { $0.files.removeValue(forKey: handle) }
    _ = file
  }

  func closeDirectory(_ handle: HandleNumber) -> Directory? {
    content.withLock { $0.directories.removeValue(forKey: handle) }
  }
}
