/// What may be said about a mount with `-o`.
///
/// Whatever is said, a mount is read-only, ignores set-user-ID bits and devices, runs no programs and lets the kernel check permissions;
/// it is private to its user unless `allow_other` or `allow_root` is asked for.
public struct MountOptions: Hashable, Sendable {
  /// Who may see the mount.
  public enum Audience: String, Hashable, Sendable {
    case owner
    /// The owner and root.
    case root = "allow_root"
    case everyone = "allow_other"
  }

  public private(set) var audience = Audience.owner
  /// What `df` and `/proc/mounts` name as the source.
  public private(set) var fileSystemName = "tollfs"
  /// The type is shown as `fuse.` and this.
  public private(set) var subtype = "tollfs"
  /// The largest read that the kernel may ask for, in bytes; nil is as large as kernel and library can.
  public private(set) var maxRead: UInt32?
  /// Whether `fusermount3` stays behind to unmount should this process die.
  public private(set) var unmountsAutomatically = false
  /// Whether a directory with something in it may be mounted on.
  public private(set) var allowsNonEmpty = false
  /// Options that go to the kernel as they are: access times, SELinux contexts.
  public private(set) var passedOn: [String] = []

  public init() {}

  /// - Parameter options: the values of every `-o`, each with one or more options separated by commas; a comma inside a
  ///   value is written `\,`, a backslash `\\`.
  /// - Throws: ``FuseFailure/unknownOption(_:)``, ``FuseFailure/refusedOption(_:)``, ``FuseFailure/invalidOption(_:reason:)``.
  public init(parsing options: [String]) throws(FuseFailure) {
    for option in options.flatMap(Self.split) where !option.isEmpty {
      try apply(option)
    }
  }

  /// What is always so, and may be said.
  private static let implied: Set = ["ro", "nosuid", "nodev", "noexec", "default_permissions"]
  private static let refused: Set = ["rw", "suid", "dev", "exec"]
  /// What the kernel itself understands (mount(8), "filesystem-independent mount options").
  private static let kernelFlags: Set = [
    "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "lazytime",
    "nolazytime", "async", "sync", "dirsync",
  ]
  private static let kernelValues: Set = ["context", "fscontext", "defcontext", "rootcontext"]
  /// What an fstab line says to mount(8) and systemd, and which they pass on to mount helpers.
  private static let forOthers: Set = [
    "defaults", "auto", "noauto", "user", "users", "nouser", "owner", "group", "nofail", "_netdev",
  ]

  private mutating func apply(_ option: String) throws(FuseFailure) {
    let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let name = parts[0]
    guard parts.count == 1 else { return try apply(name, value: parts[1], option: option) }
    if Self.implied.contains(name) || Self.forOthers.contains(name) || name.hasPrefix("x-") { return }
    if Self.refused.contains(name) { throw .refusedOption(name) }
    if Self.kernelFlags.contains(name) {
      passedOn.append(name)
      return
    }
    switch name {
    case "allow_other": try widen(to: .everyone)
    case "allow_root": try widen(to: .root)
    case "auto_unmount": unmountsAutomatically = true
    case "nonempty": allowsNonEmpty = true
    case "fsname", "subtype", "max_read": throw .invalidOption(name, reason: "needs a value, as in \(name)=...")
    default: throw .unknownOption(name)
    }
  }

  private mutating func widen(to audience: Audience) throws(FuseFailure) {
    guard self.audience == .owner || self.audience == audience else {
      throw .invalidOption(audience.rawValue, reason: "allow_other and allow_root exclude one another")
    }
    self.audience = audience
  }

  private mutating func apply(_ name: String, value: String, option: String) throws(FuseFailure) {
    if name.hasPrefix("x-") || name == "comment" { return }
    if Self.kernelValues.contains(name) {
      passedOn.append(option)
      return
    }
    switch name {
    case "fsname", "subtype":
      guard !value.isEmpty else { throw .invalidOption(name, reason: "needs a value") }
      if name == "fsname" { fileSystemName = value } else { subtype = value }
    case "max_read":
      // The kernel takes less than a page for a page (fs/fuse/inode.c: max_read = max(4096, ctx->max_read)).
      guard let bytes = UInt32(value), bytes >= 4096 else {
        throw .invalidOption(name, reason: "'\(value)' is not a number of bytes from 4096 on")
      }
      maxRead = bytes
    default: throw .unknownOption(name)
    }
  }

  /// Splits at commas that no backslash precedes.
  private static func split(_ text: String) -> [String] {
    var options = [""]
    var isEscaped = false
    for character in text {
      switch character {
      case _ where isEscaped:
        options[options.count - 1].append(character)
        isEscaped = false
      case "\\": isEscaped = true
      case ",": options.append("")
      default: options[options.count - 1].append(character)
      }
    }
    return options
  }

  /// The options as libfuse and the kernel want them, one an element, commas and backslashes in values escaped.
  var forLibrary: [String] {
    var options = ["ro", "nosuid", "nodev", "noexec", "default_permissions"]
    options.append("fsname=" + Self.escape(fileSystemName))
    options.append("subtype=" + Self.escape(subtype))
    if audience != .owner { options.append(audience.rawValue) }
    if let maxRead { options.append("max_read=\(maxRead)") }
    if unmountsAutomatically { options.append("auto_unmount") }
    return options + passedOn.map(Self.escape)
  }

  private static func escape(_ value: String) -> String {
    var escaped = ""
    for character in value {
      if character == "," || character == "\\" { escaped.append("\\") }
      escaped.append(character)
    }
    return escaped
  }
}
