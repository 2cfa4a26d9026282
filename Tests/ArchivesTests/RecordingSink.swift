import Archives
import Foundation
import TestSupport

/// Keeps what a reader tells, and checks that it keeps its own promises while it does.
final class RecordingSink: ArchiveSink {
  struct File {
    var member: ArchiveMember
    var content: [UInt8] = []
    var isWhole = false
    var failure: ArchiveFailure?
  }

  struct BrokenPromise: Error {
    let text: String
  }

  /// In the order in which they began.
  private(set) var files: [File] = []
  private(set) var directories: [(path: MemberPath, modified: ArchiveTime)] = []
  /// Bytes of content over all members, kept or not.
  private(set) var received = 0
  private var open: Int?
  private var paths: Set<[[UInt8]]> = []
  private var lastOrdinal = -1
  private let keepsContent: Bool

  init(keepsContent: Bool = true) {
    self.keepsContent = keepsContent
  }

  var whole: [File] { files.filter(\.isWhole) }
  var failed: [File] { files.filter { $0.failure != nil } }
  /// The contents of whole members by their paths.
  var contents: [String: [UInt8]] {
    Dictionary(whole.map { ($0.member.path.description, $0.content) }, uniquingKeysWith: { first, _ in first })
  }

  private var checksum: UInt32 = 0
  private var length = 0

  func memberBegan(_ member: ArchiveMember) throws {
    guard open == nil else { throw BrokenPromise(text: "\(member.path) begins inside another") }
    try add(member)
    open = files.count - 1
    checksum = 0
    length = 0
  }

  func memberData(_ bytes: UnsafeRawBufferPointer, ordinal: Int) throws {
    guard let open, files[open].member.ordinal == ordinal, !bytes.isEmpty else {
      throw BrokenPromise(text: "data for \(ordinal) out of turn")
    }
    received += bytes.count
    length += bytes.count
    checksum = crc32(bytes, continuing: checksum)
    if keepsContent { files[open].content.append(contentsOf: bytes) }
    if let size = files[open].member.size, size.bytes < length { throw BrokenPromise(text: "more than its size") }
  }

  func memberEnded(_ member: ArchiveMember) throws {
    guard let index = open, files[index].member.path == member.path else {
      throw BrokenPromise(text: "\(member.path) ends out of turn")
    }
    guard member.size?.bytes == Int64(length), member.crc32 == checksum else {
      throw BrokenPromise(text: "\(member.path) ends with a wrong size or checksum")
    }
    files[index].member = member
    files[index].isWhole = true
    open = nil
  }

  func memberFailed(_ member: ArchiveMember, _ failure: ArchiveFailure) throws {
    if let index = open {
      guard files[index].member.ordinal == member.ordinal else {
        throw BrokenPromise(text: "\(member.path) fails out of turn")
      }
      files[index].failure = failure
      files[index].content = []
      open = nil
    } else {
      try add(member)
      files[files.count - 1].failure = failure
    }
  }

  func directory(_ path: MemberPath, modified: ArchiveTime) throws {
    try check(path)
    directories.append((path, modified))
  }

  private func add(_ member: ArchiveMember) throws {
    try check(member.path)
    guard member.ordinal > lastOrdinal else { throw BrokenPromise(text: "ordinal \(member.ordinal) again") }
    lastOrdinal = member.ordinal
    // As bytes: Swift takes differently composed letters for the same.
    guard paths.insert(member.path.components.map { Array($0.utf8) }).inserted else {
      throw BrokenPromise(text: "\(member.path) again")
    }
    files.append(File(member: member))
  }

  private func check(_ path: MemberPath) throws {
    let isSafe = path.components.allSatisfy { component in
      !component.isEmpty && component != "." && component != ".." && component.utf8.count <= 255
        && component.unicodeScalars.allSatisfy { $0 != "/" && $0.properties.generalCategory != .control }
    }
    guard isSafe, !path.components.isEmpty else { throw BrokenPromise(text: "unsafe path \(path.components)") }
  }
}

/// How the bytes of an archive come in.
enum Chunking {
  case whole
  case bytewise
  case random(seed: UInt64, upTo: Int)

  func split(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    switch self {
    case .whole: return [bytes[...]]
    case .bytewise: return bytes.indices.map { bytes[$0...$0] }
    case .random(let seed, let limit):
      var generator = SeededGenerator(seed: seed)
      var rest = bytes[...]
      var pieces: [ArraySlice<UInt8>] = []
      while !rest.isEmpty {
        let piece = rest.prefix(Int.random(in: 0...limit, using: &generator))
        pieces.append(piece)
        rest = rest.dropFirst(piece.count)
      }
      return pieces
    }
  }
}

/// What came of reading an archive.
struct Reading {
  let sink: RecordingSink
  /// What ended the reading, or nil.
  let failure: ArchiveFailure?
  let total: Int64

  /// Reads a whole archive; a failure of the archive is part of the answer, any other error is thrown.
  static func of(
    _ bytes: [UInt8], _ chunking: Chunking = .whole, options: ArchiveOptions = .testing, keepsContent: Bool = true
  ) throws -> Reading {
    let sink = RecordingSink(keepsContent: keepsContent)
    let reader = ZipStreamReader(options: options, sink: sink)
    do {
      for piece in chunking.split(bytes) { try piece.withUnsafeBytes { try reader.consume($0) } }
      try reader.finish()
      return Reading(sink: sink, failure: nil, total: reader.totalSize.bytes)
    } catch let failure as ArchiveFailure {
      return Reading(sink: sink, failure: failure, total: reader.totalSize.bytes)
    }
  }
}

extension ArchiveOptions {
  static let testing = ArchiveOptions(spoolDirectory: FileManager.default.temporaryDirectory.path)
}
