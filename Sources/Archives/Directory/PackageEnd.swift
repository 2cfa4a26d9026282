/// Reads the list of contents of a zip package from its last bytes, of which more are fetched as it turns out what is needed.
public enum PackageEnd {
  public enum Reading: Sendable {
    case directory(ZipDirectory)
    /// The bytes do not reach back far enough: it is to be read again with everything from here on.
    case needs(from: UInt64)
    /// There is no end of a zip archive where one would have to be.
    case notZip
  }

  /// How many bytes at the end settle whether the package is a zip: its end record behind the longest comment.
  public static let reach = EndFinder.reach

  /// Reads what is at hand. The end record says where the directory begins, so that one more fetch is enough for what is no attempt to confuse.
  ///
  /// - Parameters:
  ///   - bytes: all that there are from `start` to the end of the package.
  ///   - length: of the whole package.
  /// - Throws: `.badStructure` and others as ``ZipDirectory`` for what has an end record, but no directory that can be read. That happens to
  ///   files that are no zip, too, and hold an archive or the four bytes that an end record begins with: ``PackageRecognizer`` looks at their start.
  public static func read(
    _ bytes: [UInt8], from start: UInt64, length: UInt64, options: ArchiveOptions
  ) throws(ArchiveFailure) -> Reading {
    let lowest = length - min(length, UInt64(reach) + UInt64(options.limits.directorySize.bytes))
    let source = TailSource(bytes, start: min(start, length), length: length, lowest: lowest)
    let farthest = length - min(length, UInt64(reach))
    do {
      let central = try CentralDirectory(source, limits: options.limits, readableFrom: source.start)
      return .directory(try ZipDirectory(central, options: options))
    } catch let missing as TailSource.Missing {
      return .needs(from: missing.offset)
    } catch let failure as ArchiveFailure {
      switch failure.kind {
      // Further back there may be another end record, behind which something was added.
      case .badStructure, .truncated, .notAZip:
        if source.start > farthest { return .needs(from: farthest) }
        if failure.kind != .badStructure { return .notZip }
        throw failure
      default: throw failure
      }
    } catch {
      throw ArchiveFailure(.io, "\(error)")
    }
  }
}

/// The end of a package, as far as it has been fetched.
private final class TailSource: RandomAccessSource {
  /// Bytes before those at hand are wanted.
  struct Missing: Error {
    let offset: UInt64
  }

  private let bytes: [UInt8]
  let start: UInt64
  let length: UInt64
  /// Nothing of an archive's end can stand before: whoever asks for it has believed a damaged record.
  private let lowest: UInt64

  init(_ bytes: [UInt8], start: UInt64, length: UInt64, lowest: UInt64) {
    self.bytes = bytes
    self.start = start
    self.length = length
    self.lowest = lowest
  }

  func read(at offset: UInt64, count: Int) throws -> [UInt8] {
    guard offset < length else { return [] }
    guard offset >= start else {
      guard offset >= lowest else {
        throw ArchiveFailure(.badStructure, "the central directory is too far from the end of the archive")
      }
      throw Missing(offset: offset)
    }
    return Array(bytes.dropFirst(Int(offset - start)).prefix(count))
  }
}
