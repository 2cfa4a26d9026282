import Glibc
import Tasks

/// Where a source's key comes from. Each call reads it afresh: ``KeyCache`` decides how often that is.
public protocol KeyProvider: Sendable {
  /// - Throws: `.accessDenied` with the mend in its reason, when there is no usable key.
  func key() async throws(SourceFailure) -> APIKey
}

/// A key that is known already: for the demo, and for tests.
public struct FixedKey: KeyProvider {
  private let value: APIKey

  public init(_ value: APIKey) {
    self.value = value
  }

  public func key() async throws(SourceFailure) -> APIKey { value }
}

/// `api_key_env`: a key in an environment variable.
public struct EnvironmentKey: KeyProvider {
  private let variable: String
  private let lookUp: @Sendable (String) -> String?

  /// - Parameter lookUp: finds a variable's value; the process's own environment unless given.
  public init(
    variable: String,
    lookUp: @escaping @Sendable (String) -> String? = { name in getenv(name).map { String(cString: $0) } }
  ) {
    self.variable = variable
    self.lookUp = lookUp
  }

  public func key() async throws(SourceFailure) -> APIKey {
    guard let text = lookUp(variable) else {
      throw SourceFailure(.accessDenied, "no API key: the environment variable \(variable) is not set")
    }
    guard let key = APIKey(text) else {
      throw SourceFailure(
        .accessDenied, "no API key: the environment variable \(variable) is empty or holds more than one word")
    }
    return key
  }
}

/// `api_key_file`: a key in a file that only its owner can read.
public struct FileKey: KeyProvider {
  private let path: String

  /// - Parameter path: absolute, or relative to the working directory; `~` is the configuration's business.
  public init(path: String) {
    self.path = path
  }

  public func key() async throws(SourceFailure) -> APIKey {
    try await BlockingWork.run { read() }.get()
  }

  private func read() -> Result<APIKey, SourceFailure> {
    // O_NONBLOCK: opening a FIFO by mistake must not hang. A symbolic link is fine, what it leads to is checked.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      return refuse("can't read the API key file \(path): \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    var info = stat()
    guard fstat(descriptor, &info) == 0 else {
      return refuse("can't read the API key file \(path): \(String(cString: strerror(errno)))")
    }
    guard info.st_mode & Glibc.S_IFMT == Glibc.S_IFREG else {
      return refuse("the API key file \(path) is not a regular file")
    }
    guard info.st_mode & 0o077 == 0 else {
      let mode = String(info.st_mode & 0o7777, radix: 8)
      return refuse("others can read the API key file \(path) (mode 0\(mode)); mend it with: chmod 600 \(path)")
    }
    var bytes = [UInt8](repeating: 0, count: APIKey.longest + 64)
    let count = Glibc.read(descriptor, &bytes, bytes.count)
    guard count >= 0 else {
      return refuse("can't read the API key file \(path): \(String(cString: strerror(errno)))")
    }
    guard let key = APIKey(String(decoding: bytes[..<count], as: UTF8.self)) else {
      return refuse("the API key file \(path) should hold the key and nothing else")
    }
    return .success(key)
  }

  private func refuse(_ reason: String) -> Result<APIKey, SourceFailure> {
    .failure(SourceFailure(.accessDenied, reason))
  }
}
