import Archives
import Foundation
import TestSupport

/// Reads a package in memory as if it were far away: by its end, and then member by member.
struct PackageClient {
  let bytes: [UInt8]
  var options = ArchiveOptions.testing

  struct Listing {
    /// nil if it is no zip.
    let directory: ZipDirectory?
    /// How often bytes had to be fetched.
    let fetches: Int
  }

  struct Stuck: Error {}

  /// - Parameter tail: how many bytes at the end are fetched first.
  func listing(tail: Int) throws -> Listing {
    var start = bytes.count - min(bytes.count, tail)
    for fetches in 1...50 {
      switch try PackageEnd.read(
        Array(bytes[start...]), from: UInt64(start), length: UInt64(bytes.count), options: options)
      {
      case .directory(let directory): return Listing(directory: directory, fetches: fetches)
      case .notZip: return Listing(directory: nil, fetches: fetches)
      case .needs(let from):
        guard from < UInt64(start) else { throw Stuck() }
        start = Int(from)
      }
    }
    throw Stuck()
  }

  /// Where the content begins, with the header fetched in pieces that grow by random steps.
  func contentOffset(_ place: MemberPlace, _ generator: inout SeededGenerator) throws -> Int {
    guard place.headerOffset <= UInt64(bytes.count) else { throw Stuck() }
    let rest = bytes[Int(place.headerOffset)...]
    var count = Int.random(in: 0...40, using: &generator)
    for _ in 0..<3 {
      switch try LocalHeaderCheck.read(rest.prefix(count), of: place) {
      case .content(let offset): return Int(offset)
      case .needs(let more):
        guard more > min(count, rest.count) else { throw Stuck() }
        count = more + Int.random(in: 0...3, using: &generator)
      }
    }
    throw Stuck()
  }

  /// The raw bytes of a member, and some more if there are any.
  func raw(_ place: MemberPlace, _ generator: inout SeededGenerator) throws -> ArraySlice<UInt8> {
    let offset = try contentOffset(place, &generator)
    return bytes[offset...].prefix(Int(place.compressedSize.bytes) + Int.random(in: 0...20, using: &generator))
  }

  /// The whole content, fed in pieces of random sizes.
  func content(_ place: MemberPlace, upTo piece: Int, _ generator: inout SeededGenerator) throws -> [UInt8] {
    let decoder = try MemberDecoder(place, spoolDirectory: options.spoolDirectory)
    var content: [UInt8] = []
    var rest = try raw(place, &generator)
    while true {
      let next = rest.prefix(Int.random(in: 0...piece, using: &generator))
      let progress = try next.withUnsafeBytes { try decoder.feed($0) { content.append(contentsOf: $0) } }
      guard decoder.produced == UInt64(content.count) else { throw Stuck() }
      if progress == .ended { return content }
      guard decoder.consumed == UInt64(rest.startIndex - content.startIndex) || !rest.isEmpty else { throw Stuck() }
      rest = rest.dropFirst(next.count)
    }
  }
}

extension ZipDirectory.File {
  /// Everything it says, to be compared.
  var told: String {
    "\(member) at \(headerOffset)..<\(limit), \(compressedSize), \(compressionMethod): \(refusal?.reason ?? "")"
  }
}

extension ZipDirectory {
  var told: [String] { files.map(\.told) + directories.map { "\($0.path) \($0.modified)" } }
}
