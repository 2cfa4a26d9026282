import Archives
import Budget
import FileSystem
import Foundation
import ResultCache
import Tasks

// A package's way to its list of files: by its end alone where it is a zip in a store that honours ranges, else as a whole.

extension DownloadRun {
  /// The end of a package that is fetched first: the end record and the directory of some hundred members.
  private static let firstEnd = 32 << 10
  /// What a look at a package may move at most, as far as anybody knows before: it is reserved where bytes cost anything.
  static let lookEstimate = ByteCount(1 << 20)

  /// Makes a package's files known, and stores them where they can only be had all at once.
  func openPackage(_ request: PurchaseRequest, into writer: DownloadWriter) async throws(FileSystemFailure)
    -> StoredResults
  {
    let account = try await account(for: request)
    let package: any TaskPackage
    do throws(FileSystemFailure) {
      package = try await packages.package(of: order.task, from: order.source)
    } catch {
      await account.release(because: error.reason)
      throw error
    }
    do throws(FileSystemFailure) {
      let results = try await look(at: package, into: writer, account)
      await account.settle(download.progress.received, requests: download.progress.requests)
      return results
    } catch {
      if error.kind == .stale { packages.drop(order.task) }
      // What moved has been charged, whatever became of it.
      await account.settle(download.progress.received, requests: download.progress.requests)
      return try keep(writer, because: error)
    }
  }

  private func look(at package: any TaskPackage, into writer: DownloadWriter, _ account: PurchaseAccount)
    async throws(FileSystemFailure) -> StoredResults
  {
    let answer = try await ask(package, .last(Self.firstEnd), of: nil)
    guard !answer.isWhole, let version = answer.version else {
      return try await takeWhole(answer, into: writer, account)
    }
    let length = UInt64(version.size.bytes)
    var start = answer.offset
    var end = try await all(of: answer)
    tools.known.add(end, at: start, of: order.task, version)
    while true {
      switch reading(end, from: start, length: length, writer) {
      case .directory(let directory) where Self.beginsThere(directory):
        return try publish(directory, of: version, into: writer)
      case .directory(let directory):
        let other = OtherPackage(
          version: version, name: answer.name, start: start == 0 ? end : nil, directory: directory)
        return try await takeOther(package, other, into: writer, account)
      case .needs(let earlier):
        let more = try await ask(package, .bytes(earlier..<start), of: version)
        guard !more.isWhole else { return try await takeWhole(more, into: writer, account) }
        let before = try await all(of: more)
        tools.known.add(before, at: earlier, of: order.task, version)
        end = before + end
        start = earlier
      case .notZip:
        let other = OtherPackage(version: version, name: answer.name, start: start == 0 ? end : nil, directory: nil)
        return try await takeOther(package, other, into: writer, account)
      }
    }
  }

  /// An end that names no readable directory is as good as none: the start tells what the package is then.
  private func reading(_ end: [UInt8], from start: UInt64, length: UInt64, _ writer: DownloadWriter)
    -> PackageEnd.Reading
  {
    (try? PackageEnd.read(end, from: start, length: length, options: archiveOptions(for: writer))) ?? .notZip
  }

  /// Whether a zip begins where the package does. Otherwise it may be one that stands at the end of another archive.
  private static func beginsThere(_ directory: ZipDirectory) -> Bool {
    directory.files.isEmpty || directory.files.contains { $0.headerOffset == 0 }
  }

  /// Lists a zip's members without fetching them.
  private func publish(_ directory: ZipDirectory, of version: PackageVersion, into writer: DownloadWriter)
    throws(FileSystemFailure) -> StoredResults
  {
    do throws(CacheFailure) {
      writer.listPackage(version)
      for entry in directory.directories {
        try writer.directory(
          path: entry.path.components, modifiedSeconds: entry.modified.seconds,
          modifiedNanoseconds: entry.modified.nanoseconds)
      }
      for file in directory.files { try list(file, in: writer) }
      return StoredResults(try writer.finish())
    } catch {
      throw FileSystemFailure(error)
    }
  }

  private func list(_ file: ZipDirectory.File, in writer: DownloadWriter) throws(CacheFailure) {
    let member = file.member
    let (path, size) = (member.path.components, member.size ?? .zero)
    let isInconsistent = file.compressionMethod == 0 && size != file.compressedSize
    if isInconsistent || file.refusal != nil {
      let refusal = file.refusal ?? ArchiveFailure(.badStructure, "it is stored, but its two sizes differ")
      let reason = "`\(member.path)`: \(refusal.reason)"
      // The directory says so, and would say so again.
      try writer.failMember(
        ordinal: member.ordinal, path: path, size: size, modifiedSeconds: member.modified.seconds,
        modifiedNanoseconds: member.modified.nanoseconds, reason: reason, word: ArchiveFailure.permanentWord)
    } else if size == .zero {
      _ = try writer.beginMember(
        ordinal: member.ordinal, path: path, size: .zero, modifiedSeconds: member.modified.seconds,
        modifiedNanoseconds: member.modified.nanoseconds)
      try writer.endMember(crc32: 0, size: .zero)
    } else {
      try writer.listMember(
        ordinal: member.ordinal, path: path, size: size, modifiedSeconds: member.modified.seconds,
        modifiedNanoseconds: member.modified.nanoseconds, crc32: member.crc32, place: CachedPlace(file))
    }
  }

  /// What is known of a package that is no zip from its first byte on.
  private struct OtherPackage {
    let version: PackageVersion
    let name: String?
    /// All of it, where its end was that.
    let start: [UInt8]?
    let directory: ZipDirectory?
  }

  /// A package that is no zip from its first byte on: other archives, and damaged zips, come as a whole; a zip with something
  /// before it is one all the same; everything else is a file that can be read at any place.
  private func takeOther(
    _ package: any TaskPackage, _ other: OtherPackage, into writer: DownloadWriter, _ account: PurchaseAccount
  ) async throws(FileSystemFailure) -> StoredResults {
    let version = other.version
    var start = other.start ?? []
    let length = UInt64(version.size.bytes)
    var wanted = other.start == nil ? min(length, UInt64(PackageRecognizer.usualStart)) : 0
    while wanted > UInt64(start.count) {
      let answer = try await ask(package, .bytes(UInt64(start.count)..<wanted), of: version)
      guard !answer.isWhole else { return try await takeWhole(answer, into: writer, account) }
      start += try await all(of: answer)
      if case .needs(let more) = PackageRecognizer.read(start, isWhole: UInt64(start.count) >= length) {
        wanted = min(length, UInt64(more))
      }
    }
    switch (PackageRecognizer.kind(start: start, isWhole: UInt64(start.count) >= length), other.directory) {
    case (.archive, _), (.zip, nil):
      // Before the request leaves.
      try await account.cover(version.size + download.progress.received, caps: caps())
      return try await takeWhole(try await ask(package, .whole, of: version), into: writer, account)
    case (_, let directory?):
      return try publish(directory, of: version, into: writer)
    case (.plain, nil):
      return try publish(fileName(other.name), of: version, into: writer)
    }
  }

  /// A package that is a file by itself.
  private func publish(_ name: String, of version: PackageVersion, into writer: DownloadWriter)
    throws(FileSystemFailure) -> StoredResults
  {
    let now = Timestamp(Date())
    do throws(CacheFailure) {
      writer.listPackage(version)
      try writer.listMember(
        ordinal: 0, path: [name], size: version.size, modifiedSeconds: now.seconds,
        modifiedNanoseconds: now.nanoseconds, crc32: nil, place: CachedPlace(bareOf: version.size))
      return StoredResults(try writer.finish())
    } catch {
      throw FileSystemFailure(error)
    }
  }

  /// What a package that is no archive is called where nobody says it.
  func fileName(_ name: String?) -> String { name ?? order.task.id }

  // MARK: - requests

  private func ask(_ package: any TaskPackage, _ range: PackageRange, of version: PackageVersion?)
    async throws(FileSystemFailure) -> PackageAnswer
  {
    metrics.count(.rangeRequests)
    download.countRequest()
    do throws(SourceFailure) {
      return try await package.bytes(range, of: version)
    } catch {
      throw FileSystemFailure(error)
    }
  }

  private func all(of answer: PackageAnswer) async throws(FileSystemFailure) -> [UInt8] {
    var bytes: [UInt8] = []
    do throws(SourceFailure) {
      while let more = try await answer.stream.next() {
        metrics.count(.bytesReceived, by: more.count)
        download.advance(received: more.count, original: .zero)
        bytes += more
      }
      return bytes
    } catch {
      throw FileSystemFailure(error)
    }
  }

  /// Keeps what arrived whole of a package that came as one stream; where nothing did, what was known before stays.
  private func keep(_ writer: DownloadWriter, because cause: FileSystemFailure) throws(FileSystemFailure)
    -> StoredResults
  {
    guard download.progress.files > 0 else { throw cause }
    let failure =
      cause.kind == .interrupted
      ? FileSystemFailure(.damaged, "the download was broken off before its end") : cause
    do throws(CacheFailure) {
      return StoredResults(try writer.breakOff(reason: failure.reason, word: failure.word))
    } catch {
      throw failure
    }
  }
}
