/// What stands behind a signed address.
public struct SimulatedPackage: Sendable, Equatable {
  public enum Content: Sendable, Equatable {
    case bytes([UInt8])
    /// Made once, when it is first asked for, and kept in a temporary file. The prefix stands before the archive and is not
    /// counted in its offsets, as when a program is put before a zip.
    case zip([SimulatedFile], style: ZipStyle, prefix: [UInt8])
    case tar([SimulatedFile])
    /// A file of this machine, served as it is.
    case file(path: String)
    /// Nothing of the simulator's: the API hands out this address as the signed one.
    case external(url: String)
  }

  public var content: Content
  /// What comes after it when its version changes, one after the other, and then ``content`` again. With none, a change of version
  /// changes the validators and no byte.
  public var nextVersions: [Content] = []
  /// The last component of its address.
  public var name: String
  /// The whole value of `Content-Disposition`; nil sends none.
  public var disposition: String?
  public var contentType = "binary/octet-stream"

  public init(_ content: Content, name: String) {
    self.content = content
    self.name = name
  }

  /// A zip, with sizes in its local headers unless said otherwise; each file says whether it is stored or deflated.
  public static func zip(
    _ files: [SimulatedFile], style: ZipStyle = .seekable, prefix: [UInt8] = [], name: String = "package.zip"
  ) -> Self { Self(.zip(files, style: style, prefix: prefix), name: name) }

  public static func tar(_ files: [SimulatedFile], name: String = "package.tar") -> Self {
    Self(.tar(files), name: name)
  }

  public static func bytes(_ bytes: [UInt8], name: String = "package.bin") -> Self { Self(.bytes(bytes), name: name) }

  /// A file of this machine under its own name, or another.
  public static func file(_ path: String, name: String? = nil) -> Self {
    Self(.file(path: path), name: name ?? path.split(separator: "/").last.map(String.init) ?? "package.bin")
  }

  public static func external(_ url: String) -> Self { Self(.external(url: url), name: "package.zip") }

  /// The same with something set.
  public func with(_ change: (inout Self) -> Void) -> Self {
    var copy = self
    change(&copy)
    return copy
  }
}
