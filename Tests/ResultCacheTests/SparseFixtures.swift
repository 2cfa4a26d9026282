import Foundation
import GRDB
import Synchronization
import Tasks
import TestSupport
import Testing

@testable import ResultCache

let block = SparseObject.blockSize

extension PackageVersion {
  static let first = PackageVersion(size: ByteCount(1_000_000), validator: "\"v1\"")
  static let second = PackageVersion(size: ByteCount(1_000_000), validator: "\"v2\"")
}

extension SampleFile {
  /// As the directory of a package has it.
  func place(_ ordinal: Int) -> CachedPlace {
    CachedPlace(
      headerOffset: UInt64(ordinal) * 10_000, limit: UInt64(ordinal + 1) * 10_000,
      compressedSize: ByteCount(bytes.count), method: 0)
  }
}

/// A sum that many tasks add to.
final class Tally: Sendable {
  private let value = Mutex(0)
  var sum: Int { value.withLock { $0 } }
  func add(_ number: Int) { value.withLock { $0 += number } }
}

/// The checksum that ``SampleFile/crc32`` comes from, continuing.
let sampleChecksum: Checksum = { bytes, continuing in
  bytes.reduce(continuing == 0 ? 7 : continuing) { ($0 &+ UInt32($1)) &* 31 }
}

extension ResultCache {
  /// Lists the files of a package without their bytes.
  @discardableResult
  func list(_ task: TaskPath, _ files: [SampleFile], version: PackageVersion? = .first, costs: Bool = false)
    async throws
    -> CachedListing
  {
    let writer = try await beginDownload(of: task, expecting: .zero, costs: costs)
    if let version { writer.listPackage(version) }
    return try await onThread {
      for (ordinal, file) in files.enumerated() {
        try writer.listMember(
          ordinal: ordinal, path: file.path, size: ByteCount(file.bytes.count), modifiedSeconds: 5,
          modifiedNanoseconds: 6, crc32: file.bytes.isEmpty ? 0 : file.crc32, place: file.place(ordinal))
      }
      return try writer.finish()
    }
  }

  func member(_ name: String, of task: TaskPath) async throws -> CachedMember {
    try #require(try await listing(of: task)?.members.first { $0.path.joined(separator: "/") == name })
  }

  func sparse(_ name: String, of task: TaskPath, costs: Bool = false) async throws -> SparseObject {
    try await sparse(try await member(name, of: task), of: task, costs: costs)
  }
}

extension SparseClaim {
  func append(_ bytes: some Collection<UInt8>) throws {
    try Array(bytes).withUnsafeBytes { try append($0) }
  }

  /// Everything, in pieces.
  func bring(_ file: SampleFile, step: Int = 100_000) throws {
    let all = Int(range.lowerBound)..<Int(range.upperBound)
    for start in stride(from: all.lowerBound, to: all.upperBound, by: step) {
      try append(file.bytes[start..<min(start + step, all.upperBound)])
    }
    finish()
  }
}

extension SparseObject {
  var whole: Range<UInt64> { 0..<size }

  func bytes(_ range: Range<UInt64>) throws -> [UInt8] {
    let descriptor = try duplicateDescriptor()
    defer { close(descriptor) }
    return try contents(of: descriptor, at: Int(range.lowerBound), count: range.count)
  }

  /// Fetches what is missing of a range, as a reader does.
  /// - Returns: how many bytes were brought.
  @discardableResult
  func fetch(_ range: Range<UInt64>, from file: SampleFile, step: Int = 100_000) async throws -> Int {
    var brought = 0
    while true {
      for claim in try await claim(range) {
        brought += claim.range.count
        try await onThread { try claim.bring(file, step: step) }
      }
      if try await wait(for: range) == .arrived { return brought }
    }
  }
}

func range(_ blocks: Range<Int>, of file: SampleFile) -> Range<UInt64> {
  UInt64(blocks.lowerBound * block)..<UInt64(min(blocks.upperBound * block, file.bytes.count))
}

extension CacheFixture {
  /// What the index says is used, and what is really there: bytes of present blocks and of whole files.
  func usage(at root: String? = nil) throws -> (counted: Int64, real: Int64) {
    let root = root ?? self.root
    return try index(at: root) { db in
      var real: Int64 = 0
      let layout = CacheLayout(root: root)
      for row in try Row.fetchAll(
        db,
        sql:
          "SELECT object.*, task.folder AS folder, member.size AS whole FROM object JOIN task ON task.id = object.task JOIN member ON member.object = object.id"
      ) {
        guard row["partial"] else {
          real += row["size"]
          continue
        }
        let size = UInt64(row["whole"] as Int64)
        let map = try SparseMap(layout.map(row["name"], of: row["folder"]), count: BlockMath.count(of: size))
        real += BlockMath.length(of: try map.present(), in: size)
      }
      for row in try Row.fetchAll(
        db, sql: "SELECT points.*, task.folder AS folder FROM points JOIN task ON task.id = points.task")
      {
        var status = stat()
        if stat(layout.object(row["name"], of: row["folder"]), &status) == 0 { real += Int64(status.st_size) }
      }
      return (try Room.usage(db).bytes.bytes, real)
    }
  }
}
