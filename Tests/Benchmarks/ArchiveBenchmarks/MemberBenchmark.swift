import Archives
import Foundation

/// Decodes the largest deflated member by itself, as a package that is read by ranges has it, and lets zlib do the same beside it.
struct MemberBenchmark {
  let file: FileHandle
  let place: MemberPlace
  private let contentOffset: UInt64
  private let pieceSize: Int

  /// How much content lies between two seek points, about as in the file system.
  private static let seekPointDistance: UInt64 = 16 << 20

  /// Returns nil if the file has no such member.
  init?(_ path: String, pieceSize: Int) throws {
    guard let file = FileHandle(forReadingAtPath: path) else { return nil }
    let length = try file.seekToEnd()
    var start = length - min(length, 1 << 16)
    var directory: ZipDirectory?
    while directory == nil {
      try file.seek(toOffset: start)
      let bytes = Array(try file.readToEnd() ?? Data())
      let options = ArchiveOptions(spoolDirectory: NSTemporaryDirectory())
      switch try PackageEnd.read(bytes, from: start, length: length, options: options) {
      case .directory(let found): directory = found
      case .needs(let from): start = from
      case .notZip: return nil
      }
    }
    let places = (directory?.files ?? []).filter { $0.refusal == nil }.map(MemberPlace.init).filter(\.isDeflated)
    guard let place = places.max(by: { $0.size < $1.size }) else { return nil }
    try file.seek(toOffset: place.headerOffset)
    // The header's longest.
    let header = Array(try file.read(upToCount: 30 + 2 * 65_535) ?? Data())
    guard case .content(let offset) = try LocalHeaderCheck.read(header, of: place) else { return nil }
    self.file = file
    self.place = place
    contentOffset = offset
    self.pieceSize = pieceSize
  }

  /// Content in MB for each second of processor time.
  func decode(takesSeekPoints: Bool) throws -> (speed: Double, seekPoints: Int, seekPointBytes: Int) {
    let start = processorSeconds(RUSAGE_SELF)
    let decoder = try MemberDecoder(place, spoolDirectory: NSTemporaryDirectory())
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceSize, alignment: 64)
    defer { piece.deallocate() }
    var (seekPoints, seekPointBytes, next) = (0, 0, Self.seekPointDistance)
    var progress = MemberDecoder.Progress.needsInput
    while progress == .needsInput {
      let offset = off_t(contentOffset + decoder.consumed)
      let count = pread(file.fileDescriptor, piece.baseAddress, piece.count, offset)
      guard count > 0 else { throw ArchiveFailure(.truncated, "the file ends in the member") }
      progress = try decoder.feed(UnsafeRawBufferPointer(rebasing: piece[..<count])) { _ in }
      if takesSeekPoints, decoder.produced >= next, let snapshot = decoder.snapshot() {
        seekPoints += 1
        seekPointBytes += snapshot.count
        next = decoder.produced + Self.seekPointDistance
      }
    }
    return (speed(since: start, RUSAGE_SELF), seekPoints, seekPointBytes)
  }

  /// The same with Python's zlib and CRC-32; nil where there is no Python.
  func decodeWithZlib() -> Double? {
    let script = """
      import sys, zlib
      path, offset, count, piece = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
      file = open(path, 'rb', buffering=0)
      file.seek(offset)
      decoder, crc = zlib.decompressobj(-15), 0
      while not decoder.eof:
          crc = zlib.crc32(decoder.decompress(file.read(piece)), crc)
      """
    let start = processorSeconds(RUSAGE_CHILDREN)
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments =
      ["python3", "-c", script] + [
        CommandLine.arguments[1], "\(contentOffset)", "\(place.compressedSize.bytes)", "\(pieceSize)",
      ]
    guard (try? process.run()) != nil else { return nil }
    process.waitUntilExit()
    return process.terminationStatus == 0 ? speed(since: start, RUSAGE_CHILDREN) : nil
  }

  private func speed(since start: Double, _ who: __rusage_who) -> Double {
    Double(place.size.bytes) / 1e6 / (processorSeconds(who) - start)
  }

  func run() throws {
    print("largest deflated member: \(place.size.bytes) bytes in \(place.compressedSize.bytes)")
    for run in 1...3 {
      let plain = try decode(takesSeekPoints: false)
      let marked = try decode(takesSeekPoints: true)
      var line = "run \(run): alone \(Int(plain.speed)) MB/s, with \(marked.seekPoints) seek points"
      line += " (\(marked.seekPointBytes / max(1, marked.seekPoints)) bytes each) \(Int(marked.speed)) MB/s"
      if let zlib = decodeWithZlib() {
        line +=
          "; Python's zlib \(Int(zlib)) MB/s: \((plain.speed / zlib).formatted(.number.precision(.fractionLength(2)))) times"
      }
      print(line)
    }
  }
}

/// User and system time of this process, or of its children that have ended.
func processorSeconds(_ who: __rusage_who) -> Double {
  var usage = rusage()
  _ = getrusage(numericCast(who.rawValue), &usage)
  return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
}
