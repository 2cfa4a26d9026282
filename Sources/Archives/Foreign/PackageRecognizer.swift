/// What a package is.
public enum PackageKind: Hashable, Sendable, CaseIterable {
  case zip
  /// tar, cpio or 7z, for ``ForeignArchiveReader``.
  case archive
  /// A file that is shown as it is. It may still be a zip with something before it, which only its end tells: see ``PackageEnd``.
  case plain
}

/// Tells what a package is by its first bytes.
public enum PackageRecognizer {
  public static func kind(start: [UInt8], isWhole: Bool) -> PackageKind { .plain }
}
