/// How a zip is written: which of the forms that writers in the world use.
public struct ZipStyle: Sendable, Equatable {
  /// Where a member's CRC and sizes are found by who reads the zip as a stream.
  public enum Sizes: Sendable, Equatable {
    /// In the local header, as a writer does that can seek back or knows them before (APPNOTE 4.3.7).
    case inLocalHeader
    /// In a data descriptor behind the data (APPNOTE 4.3.9), with or without its signature, which is optional (4.3.9.3).
    case inDescriptor(signature: Bool)
  }

  /// When names are marked as UTF-8 (general purpose bit 11, APPNOTE 4.4.4).
  public enum UTF8Flag: Sendable, Equatable {
    /// On names with anything beyond ASCII that are valid UTF-8.
    case whenNeeded
    /// Never, as old writers do; the reader has to guess.
    case never
    /// Always, as Java does.
    case always
  }

  public var sizes: Sizes
  /// Zip64 extra fields, wide descriptors and the zip64 end records even where 32 bits would do. Without it, only where needed.
  public var zip64: Bool
  public var utf8Flag: UTF8Flag
  /// The extended timestamp extra field (0x5455), which has whole seconds in UTC.
  public var extendedTimestamps: Bool
  /// The archive comment, at most 65,535 bytes.
  public var comment: [UInt8]
  /// Overrides every file's own method when set.
  public var method: SimulatedFile.Method?

  public init(
    sizes: Sizes, zip64: Bool = false, utf8Flag: UTF8Flag = .whenNeeded, extendedTimestamps: Bool = true,
    comment: [UInt8] = [], method: SimulatedFile.Method? = nil
  ) {
    self.sizes = sizes
    self.zip64 = zip64
    self.utf8Flag = utf8Flag
    self.extendedTimestamps = extendedTimestamps
    self.comment = comment
    self.method = method
  }

  /// Sizes in the local headers (Info-ZIP and 7-Zip to a file).
  public static let seekable = Self(sizes: .inLocalHeader)
  /// Data descriptors with signature (Java, Go, Python to a pipe): the likeliest for the real API, which streams.
  public static let streamed = Self(sizes: .inDescriptor(signature: true))
  /// Data descriptors without signature.
  public static let streamedWithoutSignature = Self(sizes: .inDescriptor(signature: false))
  /// Zip64 throughout, sizes in the local headers.
  public static let zip64 = Self(sizes: .inLocalHeader, zip64: true)
  /// Zip64 throughout, wide data descriptors.
  public static let streamedZip64 = Self(sizes: .inDescriptor(signature: true), zip64: true)
  /// Stored members with data descriptors: their end can't be found in the stream but only through the central directory.
  public static let streamedStored = Self(sizes: .inDescriptor(signature: true), method: .stored)

  /// Every style by name, for the administration's JSON and for tests that go through all of them.
  public static let named: [(name: String, style: ZipStyle)] = [
    ("seekable", .seekable), ("streamed", .streamed), ("streamed-without-signature", .streamedWithoutSignature),
    ("zip64", .zip64), ("streamed-zip64", .streamedZip64), ("streamed-stored", .streamedStored),
  ]
}
