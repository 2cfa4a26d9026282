import Glibc

/// What is mounted where, as `/proc/self/mountinfo` tells it (proc_pid_mountinfo(5)). Reading it touches no mount.
struct MountInfo: Hashable, Sendable {
  struct Mount: Hashable, Sendable {
    /// `major:minor` of the mounted filesystem.
    let device: String
    /// Absolute, without symbolic links.
    let path: String
    /// `ext4`, `fuse.tollfs`, ...
    let type: String
  }

  /// In the order of mounting.
  let mounts: [Mount]

  static let ownType = "fuse.tollfs"

  init(parsing text: String) {
    mounts = text.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ", omittingEmptySubsequences: false)
      // The optional fields end with a hyphen; the type follows it.
      guard fields.count > 6, let hyphen = fields[6...].firstIndex(of: "-"), hyphen + 1 < fields.count else {
        return nil
      }
      return Mount(device: String(fields[2]), path: Self.unescaped(fields[4]), type: String(fields[hyphen + 1]))
    }
  }

  /// The table of this process; empty where there is no /proc.
  static func current() -> MountInfo {
    MountInfo(parsing: ProcFile.text("/proc/self/mountinfo") ?? "")
  }

  /// The mountpoints of tollfs, the innermost last.
  var ownMountpoints: [String] { mounts.filter { $0.type == Self.ownType }.map(\.path) }

  /// What a program sees at this path if something is mounted exactly there: the last mount hides earlier ones.
  func top(at path: String) -> Mount? {
    mounts.last { $0.path == path }
  }

  /// Space, tab, newline and backslash are written as three octal digits.
  private static func unescaped(_ field: Substring) -> String {
    guard field.utf8.contains(UInt8(ascii: "\\")) else { return String(field) }
    let bytes = Array(field.utf8)
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
      let digits = bytes[(index + 1)...].prefix(3)
      if bytes[index] == UInt8(ascii: "\\"), digits.count == 3,
        let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
      {
        result.append(value)
        index += 4
      } else {
        result.append(bytes[index])
        index += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}

/// Reads files of /proc, which the kernel makes on the spot.
enum ProcFile {
  static func text(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return count == 0 ? String(decoding: bytes, as: UTF8.self) : nil }
      bytes += chunk[..<count]
    }
  }

  /// The target of a symbolic link of /proc, without following it.
  static func link(_ path: String) -> String? {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let count = readlink(path, &buffer, buffer.count - 1)
    guard count > 0 else { return nil }
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  static func entries(of path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }
}
