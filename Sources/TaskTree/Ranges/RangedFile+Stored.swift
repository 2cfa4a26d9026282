import Archives
import FileSystem
import ResultCache
import Synchronization
import Tasks

// Stored content: what is missing is claimed, and each claim fetched once.

extension RangedFile {
  func fetch(_ range: Range<UInt64>, ahead: UInt64) async throws(FileSystemFailure) {
    let horizon = range.lowerBound..<min(size, range.upperBound + ahead)
    guard let first = object.missing(in: horizon).first?.lowerBound,
      let wanted = ReadAhead.fetch(
        range, ahead: ahead, firstMissing: max(first, range.lowerBound), size: size)
    else { return }
    let claims: [SparseClaim]
    do throws(CacheFailure) {
      claims = try await object.claim(wanted)
    } catch {
      throw explained(error)
    }
    for claim in claims {
      Task(executorPreference: tools.executor) { await self.bring(claim) }
    }
  }

  /// Fetches what was claimed; whoever waits for it learns how that went.
  private func bring(_ claim: SparseClaim) async {
    do throws(FileSystemFailure) {
      try await copy(into: claim)
      claim.finish()
    } catch {
      fail([claim], error)
    }
    await completeIfWhole()
  }

  private func copy(into claim: SparseClaim) async throws(FileSystemFailure) {
    guard let start = try await locatedStart() else { return try await copyFromHeader(into: claim) }
    let reader = try await request(from: start + claim.range.lowerBound, to: start + claim.range.upperBound)
    try await finishing(reader) { (reader) async throws(FileSystemFailure) in
      try await pour(reader, into: claim)
      guard reader.position == reader.end else { throw cutOff }
    }
  }

  /// Where the content begins; nil where it is this caller's to find out, by ``copyFromHeader(into:)``.
  private func locatedStart() async throws(FileSystemFailure) -> UInt64? {
    let (known, flight) = state.withLock { state -> (UInt64?, Flight<UInt64>?) in
      if let start = state.contentStart { return (start, nil) }
      if let flight = state.locating { return (nil, flight) }
      state.locating = Flight()
      return (nil, nil)
    }
    if let known { return known }
    return try await flight?.value()
  }

  private func located(_ result: Result<UInt64, FileSystemFailure>) {
    let flight = state.withLock { state in
      defer { state.locating = nil }
      if case .success(let start) = result { state.contentStart = start }
      return state.locating
    }
    flight?.land(result)
  }

  /// The header and what follows it in one request, where that is wanted. What does not fit, since the header was longer than
  /// expected, is asked for by whoever waits for it.
  private func copyFromHeader(into claim: SparseClaim) async throws(FileSystemFailure) {
    let isAtStart = claim.range.lowerBound == 0
    let reader: RangeReader
    do throws(FileSystemFailure) {
      reader = try await requestAtHeader(with: isAtStart ? claim.range.upperBound : 0)
      located(.success(reader.position))
    } catch {
      located(.failure(error))
      throw error
    }
    try await finishing(reader) { (reader) async throws(FileSystemFailure) in
      if isAtStart { try await fill(claim, andKeepRestOf: reader) }
    }
    if !isAtStart { try await copy(into: claim) }
  }

  /// What was asked for beyond the claim, in case the header had been longer, is kept for whoever asks for it next: before the
  /// claim is filled, since he may be waiting for that.
  private func fill(_ claim: SparseClaim, andKeepRestOf reader: RangeReader) async throws(FileSystemFailure) {
    let wanted = Int(clamping: claim.range.upperBound - claim.range.lowerBound)
    guard wanted <= Self.smallClaim else { return try await pour(reader, into: claim) }
    let start = reader.position
    var bytes: [UInt8] = []
    while let more = try await next(reader) { bytes += more }
    let content = bytes.prefix(wanted)
    tools.known.add(bytes[content.endIndex...], at: start + UInt64(content.count), of: task, version)
    if content.count == wanted { note(sum(content, after: 0), of: claim.range) }
    try append(content, to: claim)
  }

  /// More is passed on as it comes.
  private static let smallClaim = 256 << 10

  private func append(_ bytes: ArraySlice<UInt8>, to claim: SparseClaim) throws(FileSystemFailure) {
    do {
      try bytes.withUnsafeBytes { try claim.append($0) }
    } catch {
      throw FileSystemFailure(any: error)
    }
  }

  /// The checksum of stored content goes on as it comes, while the processor has it at hand.
  private func sum(_ bytes: ArraySlice<UInt8>, after sum: UInt32) -> UInt32 {
    member.crc32 == nil ? 0 : bytes.withUnsafeBytes { crc32($0, continuing: sum) }
  }

  private func pour(_ reader: RangeReader, into claim: SparseClaim) async throws(FileSystemFailure) {
    var left = claim.range.upperBound - claim.range.lowerBound
    var sum: UInt32 = 0
    while left > 0, let bytes = try await next(reader, atMost: Int(clamping: left)) {
      sum = self.sum(bytes, after: sum)
      // Before the last bytes wake anybody, who may then have everything.
      if UInt64(bytes.count) == left { note(sum, of: claim.range) }
      try append(bytes, to: claim)
      left -= UInt64(bytes.count)
    }
  }

  var cutOff: FileSystemFailure {
    FileSystemFailure(.damaged, "\(name): the package ends before the content does")
  }
}
