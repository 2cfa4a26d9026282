import Glibc

/// Reads the configuration that a command was told to use.
struct ConfigurationLoader: Hashable, Sendable {
  /// `--config`.
  var file: String?
  /// Each `--set KEY=VALUE`.
  var overrides: [String] = []
  var surroundings: Surroundings

  /// Blocks while it reads the file.
  func load() throws(ConfigurationFailure) -> Configuration {
    var found: (path: String, text: String)?
    if let location = ConfigurationLocation.find(flag: file, surroundings: surroundings) {
      switch Self.read(location.path) {
      case .success(let text): found = (location.path, text)
      case .failure(let error) where error.number == ENOENT && !location.isExplicit: break
      case .failure(let error):
        throw ConfigurationFailure(.file(path: location.path, line: 0), "", "can't be read: \(error.reason)")
      }
    }
    return try ConfigurationReader.configuration(file: found, overrides: overrides, surroundings: surroundings)
  }

  /// Where the file is looked for, for messages.
  var expectedPath: String? {
    ConfigurationLocation.find(flag: file, surroundings: surroundings)?.path
  }

  private struct ReadFailure: Error {
    let number: Int32
    let reason: String
  }

  private static func read(_ path: String) -> Result<String, ReadFailure> {
    // Without O_NONBLOCK a FIFO in the file's place would wait for a writer for ever.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return .failure(failure(errno)) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while bytes.count <= ConfigurationFile.maximumBytes {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { return .failure(failure(errno)) }
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      return .failure(ReadFailure(number: EILSEQ, reason: "it is not UTF-8 text"))
    }
    return .success(text)
  }

  private static func failure(_ number: Int32) -> ReadFailure {
    ReadFailure(number: number, reason: String(cString: strerror(number)))
  }
}
