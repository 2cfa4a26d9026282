import Glibc

/// What is mounted where, as `/proc/self/mountinfo` tells it (proc_pid_mountinfo(5)).
struct MountTable: Sendable {
  struct Mount: Hashable, Sendable {
    /// `major:minor`, which is different for every mounted filesystem.
    let device: String
    let path: String
    let type: String
  }

  let mounts: [Mount]

  init(parsing text: String) {
    mounts = text.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ", omittingEmptySubsequences: false)
      // Optional fields end with a lone hyphen; the type is the field after it.
      guard fields.count > 6, let hyphen = fields[6...].firstIndex(of: "-"), hyphen + 1 < fields.count else {
        return nil
      }
      return Mount(
        device: String(fields[2]), path: Self.unescape(fields[4]), type: String(fields[hyphen + 1]))
    }
  }

  /// The table as it is now; empty where /proc is not mounted.
  static func current() -> MountTable {
    MountTable(parsing: readText(ofFile: "/proc/self/mountinfo") ?? "")
  }

  /// What is seen at a path that something is mounted on: the last one mounted there hides those before.
  func top(at path: String) -> Mount? {
    mounts.last { $0.path == path }
  }

  /// Blanks, tabs, newlines and backslashes are written as three octal digits.
  private static func unescape(_ field: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(field.utf8)[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3,
        let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
      {
        bytes.append(value)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// The content of a small file of /proc or /sys.
func readText(ofFile path: String) -> String? {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  while true {
    // Files of /proc have no size: they are read until they end.
    let part = [UInt8](unsafeUninitializedCapacity: 16_384) { buffer, count in
      count = max(0, read(descriptor, buffer.baseAddress, 16_384))
    }
    if part.isEmpty { return String(decoding: bytes, as: UTF8.self) }
    bytes += part
  }
}
