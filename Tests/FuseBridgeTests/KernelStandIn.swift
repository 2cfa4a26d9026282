import CFuse
import FileSystem
import Foundation
import Logging
import TestSupport

@testable import FuseBridge

/// The kernel's side of a connection, played by a test: sends requests and reads replies in the kernel's own format
/// (linux/fuse.h), over a socket that keeps messages whole.
final class KernelStandIn: Sendable {
  enum Opcode: UInt32 {
    case lookup = 1
    case forget = 2
    case open = 14
    case release = 18
    case initialize = 26
    case interrupt = 36
  }

  struct Answer: Sendable {
    let unique: UInt64
    let error: Int32
    let body: [UInt8]
  }

  private let socket: Int32
  let session: FuseSession

  init(serving tree: any FileSystem, operations: fuse_lowlevel_ops = Operations.table()) async throws {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &ends) == 0 else { throw POSIXError(.EIO) }
    socket = ends[0]
    session = try FuseSession(serving: tree, over: ends[1], logger: Self.logger, operations: operations)
    Task { [session] in await session.run() }
    // Protocol 7.31, as long as the structure was then: 16 bytes.
    send(.initialize, unique: 1, inode: 0, body: Self.words([7, 31, 131_072, 0]))
    _ = await receive()
  }

  deinit {
    close(socket)
  }

  /// Silent: a kernel never hangs up as these tests do, and libfuse complains of it.
  private static var logger: Logger {
    Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
  }

  static func words(_ values: [UInt32]) -> [UInt8] {
    values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
  }

  func send(_ opcode: Opcode, unique: UInt64, inode: UInt64, body: [UInt8]) {
    let header: [UInt32] = [
      UInt32(40 + body.count), opcode.rawValue, UInt32(truncatingIfNeeded: unique), UInt32(unique >> 32),
      UInt32(truncatingIfNeeded: inode), UInt32(inode >> 32), 0, 0, 77, 0,
    ]
    let message = Self.words(header) + body
    _ = message.withUnsafeBytes { Foundation.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
  }

  /// The next reply; nil where none comes for long.
  func receive() async -> Answer? {
    let socket = socket
    return await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        var source = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        var buffer = [UInt8](repeating: 0, count: 8_192)
        guard poll(&source, 1, 20_000) == 1 else { return continuation.resume(returning: nil) }
        let count = recv(socket, &buffer, buffer.count, 0)
        guard count >= 16 else { return continuation.resume(returning: nil) }
        let answer = buffer.withUnsafeBytes {
          Answer(
            unique: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
            error: $0.loadUnaligned(fromByteOffset: 4, as: Int32.self), body: Array($0[16..<count]))
        }
        continuation.resume(returning: answer)
      }
    }
  }

  /// No reply can be sent any more.
  func hangUp() {
    shutdown(socket, Int32(SHUT_RD))
  }
}
