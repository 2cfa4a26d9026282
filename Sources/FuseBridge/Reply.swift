import CFuse
import FileSystem
import Glibc

/// The one answer to a request. Each method answers and ends it; a reply that is dropped answers EIO.
struct Reply: ~Copyable {
  // Both are trivial, so that a method can end the value without its deinit: see `claim`.
  private let request: OpaquePointer
  private let inFlight: Unmanaged<InFlight>

  init(_ token: RequestToken) {
    request = token.request
    inFlight = token.inFlight
  }

  deinit {
    let inFlight = Self.claim(request, inFlight)
    fuse_reply_err(request, EIO)
    inFlight.connection.finished(inFlight)
    inFlight.connection.logger.error(
      "a request was dropped without an answer", metadata: ["operation": "\(inFlight.operation)"])
  }

  /// From here on no interrupt comes, and none is under way.
  private static func claim(_ request: OpaquePointer, _ inFlight: Unmanaged<InFlight>) -> InFlight {
    fuse_req_interrupt_func(request, nil, nil)
    return inFlight.takeRetainedValue()
  }

  /// Sends the answer and reports whether the kernel took it: it doesn't when the request is gone.
  private consuming func send(_ answer: (OpaquePointer) -> Int32) -> Bool {
    let request = self.request
    let inFlight = Self.claim(request, self.inFlight)
    discard self
    let status = answer(request)
    inFlight.connection.finished(inFlight)
    if status != 0 {
      inFlight.connection.logger.debug(
        "an answer was not taken",
        metadata: ["operation": "\(inFlight.operation)", "errno": "\(errorText(abs(status)))"])
    }
    return status == 0
  }

  var connection: Connection { inFlight._withUnsafeGuaranteedRef { $0.connection } }

  /// Hands the duty to answer on.
  consuming func handOn() -> RequestToken {
    let token = RequestToken(continuing: request, inFlight)
    discard self
    return token
  }

  // MARK: Answers

  consuming func fail(errno: Int32) {
    _ = send { fuse_reply_err($0, errno) }
  }

  consuming func fail(_ failure: FileSystemFailure) {
    inFlight._withUnsafeGuaranteedRef { inFlight in
      inFlight.connection.logger.debug(
        "a request failed",
        metadata: [
          "operation": "\(inFlight.operation)", "kind": "\(failure.kind.rawValue)", "reason": "\(failure.reason)",
        ])
    }
    fail(errno: failure.errno)
  }

  /// Returns whether the kernel counts this reference to the inode now.
  consuming func entry(_ entry: Entry) -> Bool {
    var parameters = connection.owner.parameters(entry)
    return send { fuse_reply_entry($0, &parameters) }
  }

  /// There is no such name, and the kernel may remember that for so long.
  consuming func absent(rememberFor duration: Duration) {
    guard duration > .zero else { return fail(errno: ENOENT) }
    var parameters = fuse_entry_param()
    parameters.entry_timeout = duration.inSeconds
    _ = send { fuse_reply_entry($0, &parameters) }
  }

  consuming func attributes(_ known: KnownAttributes) {
    var status = connection.owner.status(known.attributes)
    _ = send { fuse_reply_attr($0, &status, known.validity.inSeconds) }
  }

  /// Returns whether the kernel holds the handle now, and will release it.
  consuming func opened(_ information: fuse_file_info) -> Bool {
    var information = information
    return send { fuse_reply_open($0, &information) }
  }

  consuming func link(_ target: String) {
    _ = send { fuse_reply_readlink($0, target) }
  }

  /// Returns whether the kernel took the bytes.
  @discardableResult
  consuming func bytes(_ bytes: UnsafeRawBufferPointer) -> Bool {
    send { fuse_reply_buf($0, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count) }
  }

  consuming func bytes(_ bytes: [UInt8], atMost limit: Int = .max) {
    _ = send { request in
      bytes.withUnsafeBytes { buffer in
        fuse_reply_buf(request, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), min(buffer.count, limit))
      }
    }
  }

  /// Returns whether the kernel took the page, and with it the references that the page counts.
  consuming func page(_ page: borrowing DirectoryPage) -> Bool {
    let (bytes, used) = (page.bytes, page.used)
    return send { request in bytes.withUnsafeBufferPointer { fuse_reply_buf(request, $0.baseAddress, used) } }
  }

  /// The value of an attribute, or a list of names: a program that offers no room asks for the size.
  consuming func sized(_ bytes: [UInt8], room: Int) {
    switch room {
    case 0: _ = send { fuse_reply_xattr($0, bytes.count) }
    case ..<bytes.count: fail(errno: ERANGE)
    default: self.bytes(bytes)
    }
  }

  consuming func statistics(_ statistics: FileSystemStatistics) {
    var values = statistics.values
    _ = send { fuse_reply_statfs($0, &values) }
  }

  consuming func done() {
    _ = send { fuse_reply_err($0, 0) }
  }
}
