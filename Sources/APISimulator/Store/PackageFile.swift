import Glibc
import Synchronization

/// The bytes of one version of a package, in a file: what is sent goes from there to the socket without passing through memory of
/// this process, however large it is.
///
/// Making the file blocks, and so does whoever asks for it meanwhile: only threads of one's own may ask.
final class PackageFile: Sendable {
  struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ what: String) {
      description = "\(what): \(String(cString: strerror(errno)))"
    }
  }

  struct Opened: Sendable {
    let descriptor: Int32
    let size: Int64
  }

  private let content: SimulatedPackage.Content
  private let opened = Mutex<Opened?>(nil)

  init(_ content: SimulatedPackage.Content) {
    self.content = content
  }

  deinit {
    opened.withLock { if let descriptor = $0?.descriptor { close(descriptor) } }
  }

  /// The file, made on the first call.
  func open() throws(Failure) -> Opened {
    let result: Result<Opened, Failure> = opened.withLock { opened in
      if let opened { return .success(opened) }
      let made = Result { () throws(Failure) in try make() }
      if case .success(let file) = made { opened = file }
      return made
    }
    return try result.get()
  }

  /// The size, if the file was made before.
  var size: Int64? { opened.withLock { $0?.size } }

  private func make() throws(Failure) -> Opened {
    if case .file(let path) = content {
      let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw Failure(path) }
      return Opened(descriptor: descriptor, size: try Self.size(descriptor))
    }
    let descriptor = try Self.temporary()
    do throws(Failure) {
      try write(to: descriptor)
      return Opened(descriptor: descriptor, size: try Self.size(descriptor))
    } catch {
      close(descriptor)
      throw error
    }
  }

  private func write(to descriptor: Int32) throws(Failure) {
    do {
      switch content {
      case .bytes(let bytes): try Self.write(bytes, descriptor)
      case .zip(let files, let style, let prefix):
        try Self.write(prefix, descriptor)
        var stream = ZipStream(files: files, style: style)
        while let piece = stream.next() { try Self.write(piece, descriptor) }
      case .tar(let files): try TarStream.write(files) { try Self.write($0, descriptor) }
      case .file, .external: break
      }
    } catch let error as Failure {
      throw error
    } catch {
      throw Failure("a package")
    }
  }

  /// A file without a name: it is gone with its descriptor, whatever ends the process.
  private static func temporary() throws(Failure) -> Int32 {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(parent)/tollfs-package-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw Failure("a temporary file in \(parent)") }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    unlink(template)
    return descriptor
  }

  private static func write(_ bytes: [UInt8], _ descriptor: Int32) throws(Failure) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else { throw Failure("writing a package") }
      rest = rest.dropFirst(count)
    }
  }

  private static func size(_ descriptor: Int32) throws(Failure) -> Int64 {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Failure("a package") }
    return Int64(status.st_size)
  }
}
