import Archives
import FileSystem
import ResultCache
import Synchronization
import Tasks

// What a file asks of its package, and of those who have asked before.

extension RangedFile {
  var contentStart: UInt64? { state.withLock { $0.contentStart } }

  /// Asks for bytes of the package that are not known; paid for, where that costs anything, and counted.
  func request(from start: UInt64, to end: UInt64) async throws(FileSystemFailure) -> RangeReader {
    try await tools.known.settled(start..<end, of: task, version)
    let parts = tools.known.parts(of: start..<end, in: task, version)
    let asked = parts.reduce(UInt64(0)) { sum, part in
      if case .ask(let range) = part { return sum + range.upperBound - range.lowerBound }
      return sum
    }
    guard asked > 0 else { return RangeReader(start..<end, parts: parts, request: Self.nothing) }
    let package = try await tools.packages.package(of: task, from: source)
    try await account.cover(ByteCount(Int64(clamping: asked)))
    let (metrics, version) = (tools.metrics, version)
    return RangeReader(start..<end, parts: parts, isCovered: true) { (range) async throws(SourceFailure) in
      metrics.count(.rangeRequests)
      return try await package.bytes(.bytes(range), of: version)
    }
  }

  private static let nothing: RangeReader.Request = { (_) async throws(SourceFailure) in
    throw SourceFailure(.badAnswer, "nothing was to be asked for")
  }

  /// Fetches a part of the package that somebody who walks through it will want next. Only where that costs nothing.
  func fetchAhead(_ range: Range<UInt64>) {
    guard account.isFree else { return }
    for case .ask(let missing) in tools.known.parts(of: range, in: task, version) {
      let number = tools.known.announce(missing, of: task, version)
      Task(executorPreference: tools.executor) { [self] in
        await bringKnown(missing)
        tools.known.arrived(number, of: task, version)
      }
    }
  }

  /// Whoever wants these bytes asks for them himself where this fails, and learns why.
  private func bringKnown(_ range: Range<UInt64>) async {
    guard let package = try? await tools.packages.package(of: task, from: source) else { return }
    tools.metrics.count(.rangeRequests)
    guard let answer = try? await package.bytes(.bytes(range), of: version), !answer.isWhole else { return }
    var position = range.lowerBound
    while let bytes = try? await answer.stream.next() {
      tools.metrics.count(.bytesReceived, by: bytes.count)
      tools.known.add(bytes, at: position, of: task, version)
      position += UInt64(bytes.count)
    }
  }

  func next(_ reader: RangeReader, atMost limit: Int = .max) async throws(FileSystemFailure) -> ArraySlice<UInt8>? {
    do throws(SourceFailure) {
      let bytes = try await reader.next(atMost: limit)
      tools.metrics.count(.bytesReceived, by: bytes?.count ?? 0)
      return bytes
    } catch {
      throw await failure(error)
    }
  }

  /// Ends a request, whatever becomes of it. Harmless where it has ended.
  func end(_ reader: RangeReader) async {
    guard !reader.isEnded else { return }
    tools.known.add(reader.leftOver, at: reader.position, of: task, version)
    reader.cancel()
    if reader.isCovered { await account.note(reader.moved) }
  }

  func finishing(
    _ reader: RangeReader, _ body: (RangeReader) async throws(FileSystemFailure) -> Void
  ) async throws(FileSystemFailure) {
    do throws(FileSystemFailure) {
      try await body(reader)
    } catch {
      await end(reader)
      throw error
    }
    await end(reader)
  }

  /// Reads the header in front of the content.
  /// - Returns: the request, at the first byte of the content, with about so many bytes of it to come.
  func requestAtHeader(with content: UInt64) async throws(FileSystemFailure) -> RangeReader {
    let start = place.headerOffset
    // The name stands in it once more, and most writers add some extra fields; asked for once more where that is too little.
    var expected = RangedFile.fixedHeader + member.path.joined(separator: "/").utf8.count + RangedFile.usualExtra
    while true {
      let reader = try await request(from: start, to: min(place.limit, start + UInt64(expected) + content))
      let reading: LocalHeaderCheck.Reading
      do throws(FileSystemFailure) {
        reading = try await header(reader)
      } catch {
        await end(reader)
        throw error
      }
      switch reading {
      case .content(let offset):
        state.withLock { $0.contentStart = offset }
        return reader
      case .needs(let count):
        await end(reader)
        guard count > expected, start + UInt64(count) <= place.limit else {
          throw FileSystemFailure(.damaged, "\(name): its header is cut off")
        }
        expected = count
      }
    }
  }

  /// APPNOTE 4.3.7.
  private static let fixedHeader = 30
  /// Timestamps, Unix ids and a Zip64 field.
  private static let usualExtra = 80

  private func header(_ reader: RangeReader) async throws(FileSystemFailure) -> LocalHeaderCheck.Reading {
    var bytes: [UInt8] = []
    var reading = LocalHeaderCheck.Reading.needs(Self.fixedHeader)
    while case .needs(let count) = reading, let more = try await next(reader, atMost: max(1, count - bytes.count)) {
      bytes += more
      guard bytes.count >= count else { continue }
      do throws(ArchiveFailure) {
        reading = try LocalHeaderCheck.read(bytes[...], of: place)
      } catch {
        throw FileSystemFailure(.damaged, "`\(name)`: \(error.reason)")
      }
    }
    if case .content(let offset) = reading {
      reader.giveBack(bytes[Int(offset - place.headerOffset)...])
    }
    return reading
  }

  /// Puts a failure of the source into our terms. Another version of the package is told to everybody concerned.
  private func failure(_ failure: SourceFailure) async -> FileSystemFailure {
    if failure.kind == .changed {
      tools.packages.drop(task)
      await tools.hasChanged(task, version)
    }
    return FileSystemFailure(failure)
  }
}
