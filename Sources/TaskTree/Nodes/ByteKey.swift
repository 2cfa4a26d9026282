/// A path inside a task's results as a dictionary key, compared byte by byte: two names that Unicode holds to be equal
/// are two members of an archive.
struct ByteKey: Hashable, Sendable {
  private let bytes: [UInt8]

  init(_ components: some Sequence<String>) {
    var bytes: [UInt8] = []
    for component in components {
      if !bytes.isEmpty { bytes.append(UInt8(ascii: "/")) }
      bytes.append(contentsOf: component.utf8)
    }
    self.bytes = bytes
  }
}
