import Archives
import Foundation
import Logging
import ResultCache
import Tasks

// How fast a member that arrives in parts is written: SparseBenchmarks [DIRECTORY]. Prints each run's speed, and the time of
// plain pwrite of the same pieces for each 1.00 of ours.

let parent = CommandLine.arguments.count > 1 ? CommandLine.arguments[1] : NSTemporaryDirectory()
let directory = parent + "/tollfs-sparse-\(UUID().uuidString)"
try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
defer { try? FileManager.default.removeItem(atPath: directory) }

let total = 400 << 20
let fixed = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }

func seconds(_ body: () async throws -> Void) async throws -> Double {
  let start = ContinuousClock.now
  try await body()
  return (ContinuousClock.now - start) / .seconds(1)
}

func plain(_ step: Int) async throws -> Double {
  let path = directory + "/plain"
  defer { unlink(path) }
  return try await seconds {
    let file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
    defer { close(file) }
    ftruncate(file, off_t(total))
    fixed.withUnsafeBytes { bytes in
      for start in stride(from: 0, to: total, by: step) {
        _ = pwrite(file, bytes.baseAddress, min(step, total - start), off_t(start))
      }
    }
  }
}

/// - Parameter claimed: bytes of each claim, as read-ahead asks for them.
func sparse(_ cache: ResultCache, _ task: TaskPath, step: Int, claimed: Int, costs: Bool) async throws -> Double {
  guard let member = try await cache.listing(of: task)?.members.first else { return 0 }
  let object = try await cache.sparse(member, of: task, costs: costs)
  let time = try await seconds {
    for start in stride(from: 0, to: total, by: claimed) {
      let range = UInt64(start)..<UInt64(min(start + claimed, total))
      for claim in try await object.claim(range) {
        let count = claim.range.count
        try fixed.withUnsafeBytes { bytes in
          for start in stride(from: 0, to: count, by: step) {
            try claim.append(UnsafeRawBufferPointer(rebasing: bytes[..<min(step, count - start)]))
          }
        }
        claim.finish()
      }
      guard try await object.wait(for: range) == .arrived else { throw CacheFailure(.io, "did not arrive") }
    }
  }
  let end = try await seconds { try await object.complete(contentChecksum: { crc32($0, continuing: $1) }) }
  print("    complete(): \(Int(Double(total) / end / 1e6)) MB/s")
  return time
}

let cache = try await ResultCache(
  directory: directory + "/cache", limits: CacheLimits(maxSize: ByteCount(20 << 30), minFree: .zero),
  checksum: { crc32($0, continuing: $1) }, logger: Logger(label: "benchmark"))
for costs in [false, true] {
  for step in [64 << 10, 256 << 10, 1 << 20] {
    for run in 1...3 {
      guard let task = TaskPath(parsing: "source/\(costs)-\(step)-\(run)") else { continue }
      let writer = try await cache.beginDownload(of: task, expecting: .zero, costs: costs)
      writer.listPackage(PackageVersion(size: ByteCount(total), validator: nil))
      try writer.listMember(
        ordinal: 0, path: ["f"], size: ByteCount(total), modifiedSeconds: 0, modifiedNanoseconds: 0, crc32: nil,
        place: CachedPlace(headerOffset: 0, limit: UInt64(total), compressedSize: ByteCount(total), method: 0))
      _ = try writer.finish()
      let bare = try await plain(step)
      let time = try await sparse(cache, task, step: step, claimed: 8 << 20, costs: costs)
      let ratio = Int((bare / time * 100).rounded())
      print(
        "\(costs ? "paid" : "free"), pieces of \(step >> 10) KiB: \(Int(Double(total) / time / 1e6)) MB/s, plain pwrite "
          + "\(Int(Double(total) / bare / 1e6)) MB/s: 0.\(ratio) of it")
      _ = try await cache.evict(task)
    }
  }
}
await cache.settle()
