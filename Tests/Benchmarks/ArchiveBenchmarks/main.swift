import Archives
import Foundation

// How fast archives are taken apart: ArchiveBenchmarks FILE [BYTES A PIECE]. Prints one line for each run, and the peak of
// memory; then the same for the largest deflated member by itself.

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
  print("usage: ArchiveBenchmarks FILE [BYTES A PIECE]")
  exit(64)
}
// What a TLS record brings in one piece, by default.
let pieceSize = CommandLine.arguments.count > 2 ? Int(CommandLine.arguments[2]) ?? 16_384 : 16_384
let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, pieceSize), alignment: 64)

/// In MiB.
func peakMemory() -> Int {
  var usage = rusage()
  _ = getrusage(numericCast(RUSAGE_SELF.rawValue), &usage)
  return usage.ru_maxrss / 1024
}

for run in 1...3 {
  rewind(file)
  let counter = Counter()
  let reader = ZipStreamReader(options: ArchiveOptions(spoolDirectory: NSTemporaryDirectory()), sink: counter)
  let start = (wall: ContinuousClock.now, processor: processorSeconds(RUSAGE_SELF))
  while case let count = fread(piece.baseAddress, 1, piece.count, file), count > 0 {
    try reader.consume(UnsafeRawBufferPointer(rebasing: piece[..<count]))
  }
  try reader.finish()
  let wall = (ContinuousClock.now - start.wall) / .seconds(1)
  // Processor time: a busy machine does not change it.
  let processor = processorSeconds(RUSAGE_SELF) - start.processor
  let speed = Int(Double(reader.totalSize.bytes) / processor / 1e6)
  print(
    "run \(run): \(counter.members) members, \(counter.failed) failed; \(wall) s, of the processor \(processor) s: \(speed) MB/s"
  )
}
print("peak memory \(peakMemory()) MiB")
try MemberBenchmark(CommandLine.arguments[1], pieceSize: piece.count)?.run()
