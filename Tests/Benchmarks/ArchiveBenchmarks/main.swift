import Archives
import Foundation

// How fast archives are taken apart: ArchiveBenchmarks FILE [BYTES A PIECE]. Prints one line for each run, and the peak of memory.

/// Takes everything and keeps nothing.
final class Counter: ArchiveSink {
  var members = 0
  var failed = 0

  func memberBegan(_ member: ArchiveMember) {}
  func memberData(_ bytes: UnsafeRawBufferPointer, ordinal: Int) {}
  func memberEnded(_ member: ArchiveMember) { members += 1 }
  func memberFailed(_ member: ArchiveMember, _ failure: ArchiveFailure) { failed += 1 }
  func directory(_ path: MemberPath, modified: ArchiveTime) {}
}

guard CommandLine.arguments.count > 1, let file = fopen(CommandLine.arguments[1], "r") else {
  fputs("usage: ArchiveBenchmarks FILE [BYTES A PIECE]\n", stderr)
  exit(64)
}
// What a TLS record brings in one piece, by default.
let pieceSize = CommandLine.arguments.count > 2 ? Int(CommandLine.arguments[2]) ?? 16_384 : 16_384
let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, pieceSize), alignment: 64)

for run in 1...3 {
  rewind(file)
  let counter = Counter()
  let reader = ZipStreamReader(options: ArchiveOptions(spoolDirectory: NSTemporaryDirectory()), sink: counter)
  let start = ContinuousClock.now
  while case let count = fread(piece.baseAddress, 1, piece.count, file), count > 0 {
    try reader.consume(UnsafeRawBufferPointer(rebasing: piece[..<count]))
  }
  try reader.finish()
  let seconds = (ContinuousClock.now - start) / .seconds(1)
  let speed = Double(reader.totalSize.bytes) / seconds / 1e6
  print("run \(run): \(counter.members) members, \(counter.failed) failed, \(Int(speed)) MB/s, \(seconds) s")
}

var usage = rusage()
_ = getrusage(RUSAGE_SELF, &usage)
print("peak memory \(usage.ru_maxrss / 1024) MiB")
