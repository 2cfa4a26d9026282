import Synchronization
import Tasks

/// Bytes of packages that came along with what was asked for: the end of a package that held its directory, and what a request
/// brought beyond the blocks that it was for. A look here spares asking for them again.
///
/// Lock order: a leaf.
final class KnownPieces: Sendable {
  struct Piece: Sendable {
    let offset: UInt64
    let bytes: [UInt8]

    var range: Range<UInt64> { offset..<offset + UInt64(bytes.count) }
  }

  /// A part of a request: bytes that are known, or a range to ask for.
  enum Part: Sendable {
    case known(ArraySlice<UInt8>)
    case ask(Range<UInt64>)
  }

  private struct Key: Hashable {
    let task: TaskPath
    let version: PackageVersion
  }

  /// 8 MiB for all packages: some hundred ends.
  private static let limit = 8 << 20

  private struct Content {
    var pieces: [Key: [Piece]] = [:]
    var size = 0
  }

  private let content = Mutex(Content())

  func add(_ bytes: some Collection<UInt8>, at offset: UInt64, of task: TaskPath, _ version: PackageVersion) {
    guard !bytes.isEmpty else { return }
    content.withLock { content in
      if content.size + bytes.count > Self.limit { content = Content() }
      content.pieces[Key(task: task, version: version), default: []].append(
        Piece(offset: offset, bytes: Array(bytes)))
      content.size += bytes.count
    }
  }

  /// What a range is put together from, in order.
  func parts(of range: Range<UInt64>, in task: TaskPath, _ version: PackageVersion) -> [Part] {
    let pieces = content.withLock { $0.pieces[Key(task: task, version: version)] ?? [] }
    return Self.parts(of: range, pieces)
  }

  /// Pure.
  static func parts(of range: Range<UInt64>, _ pieces: [Piece]) -> [Part] {
    var parts: [Part] = []
    var position = range.lowerBound
    while position < range.upperBound {
      if let piece = pieces.filter({ $0.range.contains(position) }).max(by: {
        $0.range.upperBound < $1.range.upperBound
      }) {
        let end = min(range.upperBound, piece.range.upperBound)
        parts.append(.known(piece.bytes[Int(position - piece.offset)..<Int(end - piece.offset)]))
        position = end
      } else {
        let next = pieces.map(\.offset).filter { $0 > position }.min() ?? range.upperBound
        let end = min(range.upperBound, next)
        parts.append(.ask(position..<end))
        position = end
      }
    }
    return parts
  }
}
