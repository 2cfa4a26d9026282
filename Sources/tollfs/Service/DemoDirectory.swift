import Foundation
import Glibc

/// A place of its own for a demo: configuration, key, cache, state and, unless one is named, mountpoint. Nothing of the
/// user's is read or written.
struct DemoDirectory: Sendable {
  /// Absolute; removed with everything in it by ``remove()``.
  let path: String

  var configurationFile: String { path + "/config.yaml" }
  var mountpoint: String { path + "/tasks" }

  /// - Throws: when no temporary directory can be made.
  init() throws(ProcessFailure) {
    let parent = getenv("TMPDIR").map { String(cString: $0) }.flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "/tmp"
    var template = Array((parent + "/tollfs-demo-XXXXXX").utf8CString)
    // mkdtemp(3) makes it with mode 0700 and a name that nobody can guess.
    guard mkdtemp(&template) != nil else { throw ProcessFailure("can't make a directory in \(parent)", errno) }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Writes key and configuration.
  /// - Returns: the configuration's text.
  func write(
    endpoint: String, pixxelEndpoint: String, key: String, mountpoint: String, tasks: [String]
  ) throws(ProcessFailure) -> String {
    try write(key + "\n", to: path + "/key")
    let text = """
      mountpoint: \(Self.quoted(mountpoint))
      sources:
        screenplay:
          kind: memories-screenplay
          endpoint: \(endpoint)
          api_key_file: key
          rate_limit: 0
          tasks: [\(tasks.joined(separator: ", "))]
        pixxel:
          kind: pixxel
          endpoint: \(pixxelEndpoint)
          api_key_file: key
          rate_limit: 0
      budget:
        daily: 1.00
        per_open: 0.25
      cache:
        directory: cache
        max_size: 1 GB
        min_free: 100 MB
      state:
        directory: state

      """
    try write(text, to: configurationFile)
    return text
  }

  /// Blocks. Databases that are being closed take their journals away at the same time, which stops a removal that was
  /// about to do it: then the rest is removed in another go.
  func remove() {
    for _ in 0..<50 {
      try? FileManager.default.removeItem(atPath: path)
      guard access(path, F_OK) == 0 else { return }
      usleep(20_000)
    }
    Output.complain("\(path) could not be removed")
  }

  /// A single-quoted YAML scalar (YAML 1.2, 7.3.2).
  private static func quoted(_ text: String) -> String {
    "'" + text.map { $0 == "'" ? "''" : String($0) }.joined() + "'"
  }

  private func write(_ text: String, to file: String) throws(ProcessFailure) {
    let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw ProcessFailure("can't write \(file)", errno) }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
      throw ProcessFailure("can't write \(file)", errno)
    }
  }
}
