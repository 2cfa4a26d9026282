import Dispatch
import Glibc

/// Gives a task's archive piece by piece, on a thread of its own: compressing and reading files would hold up Swift's
/// cooperative pool, which has as few threads as the machine has cores and serves the mount as well in `demo`.
actor ArchiveReader {
  /// Why there is no further piece.
  struct Failure: Error {
    let reason: String
  }

  private enum Source {
    case zip(ZipStream)
    case bytes([UInt8], offset: Int)
    case file(OpenFile)
    case unreadable(String)
  }

  /// What one read of a file brings: enough that the switch of threads weighs little.
  private static let fileReadSize = 262_144

  private let executor = QueueExecutor()
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  private let result: TaskResult
  private var source: Source?

  init(_ result: TaskResult) {
    self.result = result
  }

  /// How long the whole archive is, in bytes. A zip is made once for that and thrown away.
  func length() throws(Failure) -> Int64 {
    switch result {
    case .none: return 0
    case .files(let files, let style): return ZipStream.length(files, style: style)
    case .archive(let bytes, _): return Int64(bytes.count)
    case .archiveFile(let path, _):
      var status = stat()
      guard stat(path, &status) == 0 else { throw Failure(reason: "\(path): \(String(cString: strerror(errno)))") }
      return Int64(status.st_size)
    }
  }

  /// The next piece, or nil at the end.
  func next() throws(Failure) -> [UInt8]? {
    // Taken out while it is changed, so that a zip stream's buffers aren't copied.
    var current = source ?? opened()
    source = nil
    defer { source = current }
    switch current {
    case .zip(var stream):
      let piece = stream.next()
      current = .zip(stream)
      return piece
    case .bytes(let bytes, let offset):
      let end = min(offset + ZipStream.pieceSize, bytes.count)
      current = .bytes(bytes, offset: end)
      return offset < end ? Array(bytes[offset..<end]) : nil
    case .file(let file): return try read(file.descriptor)
    case .unreadable(let reason): throw Failure(reason: reason)
    }
  }

  private func opened() -> Source {
    switch result {
    case .none: return .bytes([], offset: 0)
    case .files(let files, let style): return .zip(ZipStream(files: files, style: style))
    case .archive(let bytes, _): return .bytes(bytes, offset: 0)
    case .archiveFile(let path, _):
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      return descriptor >= 0
        ? .file(OpenFile(descriptor: descriptor)) : .unreadable("\(path): \(String(cString: strerror(errno)))")
    }
  }

  private func read(_ descriptor: Int32) throws(Failure) -> [UInt8]? {
    var count = 0
    let piece = [UInt8](unsafeUninitializedCapacity: Self.fileReadSize) { buffer, initialized in
      count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      initialized = max(count, 0)
    }
    guard count >= 0 else { throw Failure(reason: String(cString: strerror(errno))) }
    return piece.isEmpty ? nil : piece
  }
}

/// Closes what it was given when nobody holds it any more.
private final class OpenFile: Sendable {
  let descriptor: Int32

  init(descriptor: Int32) {
    self.descriptor = descriptor
  }

  deinit {
    close(descriptor)
  }
}

/// Runs an actor on a dispatch queue of its own.
private final class QueueExecutor: SerialExecutor {
  private let queue = DispatchQueue(label: "simulator.archive")

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
  }
}
