import FileSystem
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

  /// 8 MiB for all packages: some hundred ends, and what is fetched ahead of a few walks.
  private static let limit = 8 << 20

  private struct Coming: Sendable {
    let number: Int
    let range: Range<UInt64>
    let flight: Flight<Void>
  }

  private struct Content {
    var pieces: [Key: [Piece]] = [:]
    /// In the order in which they came: the oldest go first.
    var order: [(key: Key, size: Int)] = []
    var size = 0
    /// What is being fetched ahead.
    var coming: [Key: [Coming]] = [:]
    var last = 0

    mutating func add(_ piece: Piece, _ key: Key) {
      pieces[key, default: []].append(piece)
      order.append((key, piece.bytes.count))
      size += piece.bytes.count
      while size > limit, let oldest = order.first {
        order.removeFirst()
        pieces[oldest.key]?.removeFirst()
        if pieces[oldest.key]?.isEmpty == true { pieces[oldest.key] = nil }
        size -= oldest.size
      }
    }
  }

  private let content = Mutex(Content())

  func add(_ bytes: some Collection<UInt8>, at offset: UInt64, of task: TaskPath, _ version: PackageVersion) {
    guard !bytes.isEmpty else { return }
    let piece = Piece(offset: offset, bytes: Array(bytes))
    content.withLock { $0.add(piece, Key(task: task, version: version)) }
  }

  // MARK: - fetching ahead

  /// Lets others wait for a range that the caller fetches.
  func announce(_ range: Range<UInt64>, of task: TaskPath, _ version: PackageVersion) -> Int {
    content.withLock { content in
      content.last += 1
      content.coming[Key(task: task, version: version), default: []].append(
        Coming(number: content.last, range: range, flight: Flight()))
      return content.last
    }
  }

  /// What was announced has come and been added, or won't.
  func arrived(_ number: Int, of task: TaskPath, _ version: PackageVersion) {
    let flight = content.withLock { content -> Flight<Void>? in
      let key = Key(task: task, version: version)
      let coming = content.coming[key]?.first { $0.number == number }
      content.coming[key]?.removeAll { $0.number == number }
      if content.coming[key]?.isEmpty == true { content.coming[key] = nil }
      return coming?.flight
    }
    flight?.land(.success(()))
  }

  /// Waits until nothing of a range is on its way here.
  /// - Throws: `.interrupted`.
  func settled(_ range: Range<UInt64>, of task: TaskPath, _ version: PackageVersion) async throws(FileSystemFailure) {
    let key = Key(task: task, version: version)
    let flights = content.withLock { content in
      (content.coming[key] ?? []).filter { $0.range.overlaps(range) }.map(\.flight)
    }
    for flight in flights { try await flight.value() }
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
