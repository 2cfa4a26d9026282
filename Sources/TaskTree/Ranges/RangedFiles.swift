import Budget
import FileSystem
import Logging
import ResultCache
import Synchronization
import Tasks

/// Who wants a member of a package.
struct RangeOrder: Sendable {
  let task: TaskPath
  let source: any TaskSource
  let requester: Requester
  /// What was opened, for the ledger.
  let path: String
}

/// Sees to it that all who have one member open share what is fetched of it.
///
/// Lock order: a leaf; never held across an await.
final class RangedFiles: Sendable {
  private struct Key: Hashable {
    let task: TaskPath
    let ordinal: Int
    let version: PackageVersion
  }

  private struct Kept {
    weak var file: RangedFile?
  }

  private let files = Mutex<[Key: Kept]>([:])
  private let walks = Mutex<[TaskPath: WalkAhead]>([:])
  private let cache: ResultCache
  private let ledger: Ledger
  private let arrears: LedgerArrears
  private let caps: @Sendable () -> BudgetCaps?
  private let tools: RangeTools

  init(
    cache: ResultCache, ledger: Ledger, arrears: LedgerArrears, caps: @escaping @Sendable () -> BudgetCaps?,
    tools: RangeTools
  ) {
    self.cache = cache
    self.ledger = ledger
    self.arrears = arrears
    self.caps = caps
    self.tools = tools
  }

  /// Waits until the ledger knows what everything that was open has cost.
  func settle() async {
    let open = files.withLock { $0.values.compactMap(\.file) }
    for file in open { await file.account.end() }
    await tools.closing.wait()
  }

  /// The file of a member, which the caller opens and closes.
  /// - Returns: nil for a member that does not lie in a package.
  func file(_ member: CachedMember, of listing: CachedListing, for order: RangeOrder) async throws(FileSystemFailure)
    -> RangedFile?
  {
    guard let place = member.place, let version = listing.package else { return nil }
    let key = Key(task: order.task, ordinal: member.ordinal, version: version)
    let costs = !order.source.price.isFree
    let object: SparseObject
    do throws(CacheFailure) {
      object = try await cache.sparse(member, of: order.task, costs: costs)
    } catch {
      throw FileSystemFailure(error)
    }
    let request = PurchaseRequest(
      task: order.task, path: order.path, price: order.source.price, requester: order.requester,
      expected: Estimate(
        bytes: place.compressedSize, basis: .exact, evidence: "the compressed size in the package's directory"),
      isWhole: false)
    let account = RangeAccount(
      request, ledger: ledger, arrears: arrears, caps: caps, metrics: tools.metrics, logger: tools.logger)
    let fresh = RangedFile(
      task: order.task, member: member, place: place, version: version, object: object, source: order.source,
      account: account, tools: tools)
    if let ahead = ahead(of: place, in: listing, order.task) { fresh.fetchAhead(ahead) }
    return files.withLock { files in
      // The same content, not one that was evicted meanwhile, nor one that has turned out wrong.
      if let known = files[key]?.file, known.object === object, !known.isSpoilt { return known }
      files = files.filter { $0.value.file != nil }
      files[key] = Kept(file: fresh)
      return fresh
    }
  }
}

extension RangedFiles {
  /// As many packages are walked through at once; beyond, the walks begin anew.
  private static let walkLimit = 100

  /// What of a package is worth fetching now that one of its files is opened.
  private func ahead(of place: CachedPlace, in listing: CachedListing, _ task: TaskPath) -> Range<UInt64>? {
    guard place.limit > place.headerOffset else { return nil }
    return walks.withLock { walks in
      if walks.count >= Self.walkLimit, walks[task] == nil { walks.removeAll() }
      // The last file's end is looked for only where something is to be fetched.
      guard let ahead = walks[task, default: WalkAhead()].note(place.headerOffset..<place.limit, limit: .max) else {
        return nil
      }
      let end = listing.members.reduce(UInt64(0)) { max($0, $1.place?.limit ?? 0) }
      return ahead.lowerBound < end ? ahead.clamped(to: 0..<end) : nil
    }
  }
}

/// One open of a file that is fetched where it is read.
final class RangedHandle: Sendable {
  let file: RangedFile
  let descriptor: FileDescriptorBox
  private let ahead = Mutex(ReadAhead())
  private let limit: UInt64?

  /// Takes over one `open()` of the file.
  /// - Parameter limit: how many bytes may be fetched ahead at most; nil for any number.
  init(_ file: RangedFile, descriptor: FileDescriptorBox, limit: UInt64?) {
    self.file = file
    self.descriptor = descriptor
    self.limit = limit
  }

  deinit {
    file.close()
  }

  /// Waits until bytes are here.
  /// - Returns: how many can be read at `offset`.
  func available(at offset: UInt64, count: Int) async throws(FileSystemFailure) -> Int {
    guard offset < file.size, count > 0 else { return 0 }
    let range = offset..<min(file.size, offset + UInt64(count))
    let wanted = ahead.withLock { $0.note(range) }
    try await file.read(range, ahead: min(wanted, limit ?? .max))
    return Int(range.upperBound - range.lowerBound)
  }
}

/// Accounts whose last reader has gone, while the ledger is told: the end of the program waits for them.
///
/// Lock order: a leaf.
final class ClosingAccounts: Sendable {
  private struct Content {
    var tasks: [Int: Task<Void, Never>] = [:]
    var last = 0
  }

  private let content = Mutex(Content())

  func close(_ account: RangeAccount) {
    if account.isFree { return }
    content.withLock { content in
      content.last += 1
      let number = content.last
      content.tasks[number] = Task {
        await account.close()
        self.content.withLock { _ = $0.tasks.removeValue(forKey: number) }
      }
    }
  }

  func wait() async {
    for task in content.withLock({ Array($0.tasks.values) }) { await task.value }
  }
}
