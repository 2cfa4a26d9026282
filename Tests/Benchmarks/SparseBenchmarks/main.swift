import Archives
import Foundation
import Logging
import ResultCache
import Tasks

// How fast members that arrive in parts are written: SparseBenchmarks [DIRECTORY]. Prints each run's speed, and how much of the
// speed of plain pwrite of the same pieces that is.

let parent = CommandLine.arguments.count > 1 ? CommandLine.arguments[1] : NSTemporaryDirectory()
let directory = parent + "/tollfs-sparse-\(UUID().uuidString)"
try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
defer { try? FileManager.default.removeItem(atPath: directory) }

let total = 400 << 20
let fixed = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }

/// A number with two decimals.
func format(_ ratio: Double) -> String {
  let hundredths = Int((ratio * 100).rounded())
  return "\(hundredths / 100)." + (hundredths % 100 < 10 ? "0" : "") + "\(hundredths % 100)"
}

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

/// Of this process, in seconds: a busy machine does not change it.
func processorTime() -> Double {
  var usage = rusage()
  _ = getrusage(numericCast(RUSAGE_SELF.rawValue), &usage)
  return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
}

/// Lists a package of files of one size.
func list(_ name: String, count: Int, size: Int, costs: Bool) async throws -> TaskPath {
  guard let task = TaskPath(parsing: "source/\(name)") else { throw CacheFailure(.io, name) }
  let writer = try await cache.beginDownload(of: task, expecting: .zero, costs: costs)
  writer.listPackage(PackageVersion(size: ByteCount(size * count), validator: nil))
  for ordinal in 0..<count {
    try writer.listMember(
      ordinal: ordinal, path: ["f\(ordinal)"], size: ByteCount(size), modifiedSeconds: 0, modifiedNanoseconds: 0,
      crc32: nil,
      place: CachedPlace(headerOffset: 0, limit: UInt64(size), compressedSize: ByteCount(size), method: 0))
  }
  _ = try writer.finish()
  return task
}

let small = try await list("small", count: 2_000, size: 10_000, costs: false)
let members = try await cache.listing(of: small)?.members ?? []
let processor = processorTime()
let time = try await seconds {
  for member in members {
    let object = try await cache.sparse(member, of: small, costs: false)
    for claim in try await object.claim(0..<10_000) {
      try fixed.withUnsafeBytes { try claim.append(UnsafeRawBufferPointer(rebasing: $0[..<10_000])) }
      claim.finish()
    }
    guard try await object.wait(for: 0..<10_000) == .arrived else { throw CacheFailure(.io, "did not arrive") }
    try await object.complete(contentChecksum: { crc32($0, continuing: $1) })
  }
}
let each = Int((processorTime() - processor) / Double(members.count) * 1e6)
print("small members: \(Int(Double(members.count) / time)) a second, \(each) us of the processor each")
_ = try await cache.evict(small)

for costs in [false, true] {
  for step in [64 << 10, 256 << 10, 1 << 20] {
    for run in 1...3 {
      let task = try await list("\(costs)-\(step)-\(run)", count: 1, size: total, costs: costs)
      let bare = try await plain(step)
      let time = try await sparse(cache, task, step: step, claimed: 8 << 20, costs: costs)
      print(
        "\(costs ? "paid" : "free"), pieces of \(step >> 10) KiB: \(Int(Double(total) / time / 1e6)) MB/s, plain pwrite "
          + "\(Int(Double(total) / bare / 1e6)) MB/s: \(format(bare / time)) of it")
      _ = try await cache.evict(task)
    }
  }
}
await cache.settle()
