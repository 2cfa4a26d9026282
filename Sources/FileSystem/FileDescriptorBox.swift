import Glibc

/// An open file descriptor that is closed when its last user lets go of it.
public final class FileDescriptorBox: Sendable {
  public let descriptor: Int32

  /// Takes over the descriptor.
  public init(owning descriptor: Int32) {
    self.descriptor = descriptor
  }

  deinit {
    close(descriptor)
  }
}
