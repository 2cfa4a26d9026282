import FileSystem
import Foundation
import ResultCache
import Tasks

/// What the cache holds of a task's results, with its names as a tree.
struct StoredResults: Sendable {
  let listing: CachedListing
  let index: ResultIndex
  let stock: AccessDecision.Stock
  private let members: [Int: CachedMember]

  init(_ listing: CachedListing) {
    self.listing = listing
    var index = ResultIndex()
    for directory in listing.directories {
      index.insertDirectory(
        directory.path,
        modified: Timestamp(seconds: directory.modifiedSeconds, nanoseconds: directory.modifiedNanoseconds))
    }
    for member in listing.members { index.insert(ResultIndex.File(member)) }
    self.index = index
    stock = Self.stock(of: listing)
    members = Dictionary(listing.members.map { ($0.ordinal, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Which version of a package this is of.
  var edition: Edition { Edition(listing.package) }

  /// What getting everything that is not here costs money for, in bytes: the whole stream, or what is missing of a package.
  /// nil where that is not known.
  var billableSize: ByteCount? {
    guard listing.state == .complete else { return nil }
    guard listing.package != nil else { return listing.totalSize }
    return listing.members.filter(\.isWorthFetching).reduce(.zero) { $0 + ($1.place?.compressedSize ?? $1.size) }
  }

  func member(_ file: ResultIndex.File) -> CachedMember? { members[file.ordinal] }

  private static func stock(of listing: CachedListing) -> AccessDecision.Stock {
    switch listing.state {
    case .broken(let reason, let word):
      return .broken(FileSystemFailure(word: word, reason: reason))
    case .complete:
      return listing.members.contains(where: \.isWorthFetching) ? .evicted : .everything
    }
  }

  /// Where the listing ends in a failure: the reason for it.
  var breakage: FileSystemFailure? {
    if case .broken(let failure) = stock { return failure }
    return nil
  }

  /// The time of the download, which is the modification time of `results/`: the same after every remount.
  var modified: Timestamp { Timestamp(listing.downloadedAt) }

  /// Files that came damaged, or whose cached bytes turned out so.
  var damagedFiles: Int { listing.members.count { $0.state != .evicted && $0.isWorthFetching } }

  var storedBytes: ByteCount {
    listing.members.reduce(.zero) { $1.state == .stored ? $0 + $1.size : $0 }
  }
}

extension Timestamp {
  init(_ date: Date) {
    let interval = date.timeIntervalSince1970
    let seconds = interval.rounded(.down)
    self.init(seconds: Int64(seconds), nanoseconds: Int32((interval - seconds) * 1_000_000_000))
  }
}
