import Budget
import FileSystem
import Foundation
import Logging
import ResultCache
import Synchronization
import Tasks

/// Everything that can be done with tasks, for the mount and for the commands alike: statuses, prices, downloads.
///
/// Failures are ``FileSystemFailure``s: the mount turns them into errno, a command prints their reason.
public final class TaskEngine: Sendable {
  public let ledger: Ledger
  public let cache: ResultCache
  public let registry: TaskRegistry
  public let metrics: Metrics
  let statuses: StatusBoard
  let groups: GroupBoard
  let desk: DownloadDesk
  let ranges: RangedFiles
  let changes = ResultChanges()
  let journal: ErrorJournal
  let crawlers: Crawlers
  private let sources: [SourceName: ConfiguredSource]
  private let caps: CapsInForce
  private let shelf = ResultShelf()

  /// - Parameter caps: nil when no budget is configured: then nothing billed is ever opened.
  public init(
    sources: [ConfiguredSource], caps: BudgetCaps?, ledger: Ledger, cache: ResultCache, registry: TaskRegistry,
    settings: EngineSettings, logger: Logger
  ) throws(FileSystemFailure) {
    self.sources = Dictionary(sources.map { ($0.source.name, $0) }, uniquingKeysWith: { first, _ in first })
    let inForce = CapsInForce(caps)
    self.caps = inForce
    self.ledger = ledger
    self.cache = cache
    self.registry = registry
    metrics = Metrics()
    journal = ErrorJournal(metrics: metrics, logger: logger)
    crawlers = Crawlers(names: settings.crawlers)
    statuses = StatusBoard(
      registry: registry, timeToLive: settings.statusTimeToLive, metrics: metrics, logger: logger)
    groups = GroupBoard(statuses: statuses, metrics: metrics)
    let (packages, known) = (PackageDesk(), KnownPieces())
    let arrears = LedgerArrears(logger: logger)
    let (shelf, changes) = (shelf, changes)
    let tools = RangeTools(
      packages: packages, known: known, executor: try BlockingExecutor.forRanges(),
      spoolDirectory: cache.spoolDirectory,
      closing: ClosingAccounts(), metrics: metrics, logger: logger,
      hasChanged: { task, version in
        try? await cache.dropPackage(of: task, version: version)
        shelf.drop(task)
        changes.tell(task)
      },
      isComplete: { shelf.drop($0) },
      isSpoilt: { task in
        shelf.drop(task)
        changes.tell(task)
      })
    ranges = RangedFiles(
      cache: cache, ledger: ledger, arrears: arrears, caps: { inForce.caps }, tools: tools)
    desk = DownloadDesk(
      DownloadTools(
        ledger: ledger, arrears: arrears, cache: cache, shelf: shelf, packages: packages, known: known, ranges: ranges,
        episodes: { await Self.episodes(of: $0, registry) }, settings: settings, metrics: metrics, logger: logger))
  }

  /// The caps in force.
  public var budgetCaps: BudgetCaps? { caps.caps }

  /// Puts other caps in force, for every purchase that is not reserved yet.
  public func replaceBudgetCaps(_ new: BudgetCaps?) {
    caps.replace(new)
  }

  /// The configured sources, in the order of their names.
  public var sourceNames: [SourceName] { sources.keys.sorted() }

  func configured(_ name: SourceName) -> ConfiguredSource? { sources[name] }

  /// The source of a task, if the path has as many ids as the source's tasks have.
  /// - Throws: `.notFound`.
  func configured(for task: TaskPath) throws(FileSystemFailure) -> ConfiguredSource {
    guard let configured = sources[task.source] else {
      throw FileSystemFailure(.notFound, "there is no source \(task.source) in the configuration")
    }
    guard configured.source.taskDepth == task.ids.count else {
      throw FileSystemFailure(
        .notFound,
        "a task of \(task.source) has \(configured.source.taskDepth) id(s) in its path, not \(task.ids.count)")
    }
    return configured
  }

  /// Ends: no more downloads begin, those that run may end within `grace`, then they are broken off.
  public func shutdown(grace: Duration) async {
    await desk.close(waiting: grace)
    await ranges.settle()
    await cache.settle()
  }

  /// Breaks off downloads that ``shutdown(grace:)`` still waits for.
  public func abandonDownloads() {
    desk.cancelAll()
  }

  // MARK: - the list of tasks

  /// The tasks of a source: those that its API lists; where it has no list, those of the configuration and those that were added.
  public func tasks(in source: SourceName) async throws(FileSystemFailure) -> [TaskPath] {
    guard let configured = sources[source] else { return [] }
    if configured.source.canList {
      return try await walk(TaskGroup(source: source, ids: []), depth: configured.source.taskDepth)
    }
    let added = try await registry.listed(in: source)
    return Set(configured.tasks + added).sorted()
  }

  func isListed(_ task: TaskPath) async throws(FileSystemFailure) -> Bool {
    try await tasks(in: task.source).contains(task)
  }

  /// Puts a task on the list, once the API has confirmed that it exists.
  @discardableResult
  public func add(_ task: TaskPath) async throws(FileSystemFailure) -> Bool {
    _ = try await status(of: task)
    return try await registry.add(task)
  }

  /// Takes a task off the list, and nothing else.
  /// - Throws: `.invalidArgument` for a task that the configuration lists, `.notFound` for one that is not on the list.
  public func forget(_ task: TaskPath) async throws(FileSystemFailure) {
    let isForgotten = try await registry.forget(task)
    if try configured(for: task).tasks.contains(task) {
      throw FileSystemFailure(
        .invalidArgument,
        "\(task) is listed in the configuration; take it out of `tasks` of the source \(task.source) there")
    }
    guard isForgotten else { throw FileSystemFailure(.notFound, "\(task) is not on the list") }
  }

  // MARK: - status

  /// A task's live status.
  public func status(of task: TaskPath) async throws(FileSystemFailure) -> StatusReport {
    let configured = try configured(for: task)
    return StatusReport(task: task, known: try await statuses.live(task, from: configured.source))
  }

  // MARK: - results

  /// What is known of a task's stored results; nil when it was never downloaded.
  /// - Parameter isUpToDate: whether it must be what the index says now, not a moment ago.
  func stored(_ task: TaskPath, isUpToDate: Bool = false) async throws(FileSystemFailure) -> StoredResults? {
    let kept = shelf.results(of: task)
    if let kept, kept.isTrusted, !isUpToDate { return kept.stored }
    do throws(CacheFailure) {
      let version = try await cache.version(of: task)
      if let kept, kept.version == version {
        shelf.renew(task, kept.version)
        return kept.stored
      }
      if kept != nil { shelf.drop(task) }
      guard let listing = try await cache.listing(of: task) else { return nil }
      let stored = StoredResults(listing)
      if let version { shelf.keep(stored, version, of: task) }
      return stored
    } catch {
      throw FileSystemFailure(error)
    }
  }

  /// Forgets what was read from the cache's index, because it has turned out to be out of date.
  func refresh(_ task: TaskPath) {
    shelf.drop(task)
  }

  func decision(for task: TaskPath, requester: Requester) throws(FileSystemFailure) -> AccessDecision {
    let configured = try configured(for: task)
    return AccessDecision(
      isBilled: !configured.source.price.isFree, isExplicit: configured.fetchMode == .explicit,
      isCrawler: crawlers.contains(requester), taskName: task.description)
  }

  /// The way to what is wanted of a task's results: the cache, a download that runs already, or one that begins now.
  func access(_ task: TaskPath, want: AccessDecision.Want, requester: Requester, path: String)
    async throws(FileSystemFailure) -> ResultAccess
  {
    let stored = try await stored(task)
    // Names that are all known need not wait for anybody who fetches content anew.
    if want == .listing, let stored, stored.breakage == nil { return .stored(stored) }
    if let running = desk.running(task) { return .arriving(running) }
    let decision = try decision(for: task, requester: requester)
    switch decision.verdict(stock: stored?.stock ?? .nothing, want: want) {
    case .serve:
      guard let stored else { throw FileSystemFailure(.inputOutput, "nothing to serve") }
      return .stored(stored)
    case .refuse(let failure):
      throw failure
    case .download:
      let order = DownloadOrder(
        task: task, source: try configured(for: task).source, requester: requester, path: path, isFetch: want == .fetch)
      refresh(task)
      return .arriving(try desk.download(order) { self.budgetCaps })
    }
  }

  /// A member of a task's package, to be fetched where it is read; nil for what does not lie in a package.
  /// - Throws: where this requester may not fetch.
  func ranged(_ member: CachedMember, of task: TaskPath, _ stored: StoredResults, requester: Requester, path: String)
    async throws(FileSystemFailure) -> RangedFile?
  {
    guard member.place != nil, stored.listing.package != nil else { return nil }
    let decision = try decision(for: task, requester: requester)
    if case .refuse(let failure) = decision.verdict(stock: stored.stock, want: .content) { throw failure }
    let order = RangeOrder(
      task: task, source: try configured(for: task).source, requester: requester, path: path)
    return try await ranges.file(member, of: stored.listing, for: order)
  }

  /// Downloads a task's results, within the budget, unless they are in the cache; also after a download that broke.
  /// - Parameter progress: called about five times a second while the download runs.
  /// - Throws: the reason, when not everything could be fetched.
  public func fetch(
    _ task: TaskPath, requester: Requester, progress: @escaping @Sendable (DownloadProgress) -> Void = { _ in }
  ) async throws(FileSystemFailure) -> FetchReport {
    refresh(task)
    switch try await access(task, want: .fetch, requester: requester, path: task.description + "/results") {
    case .stored(let stored):
      return FetchReport(task: task, stored: stored, wasCached: true)
    case .arriving(let download):
      let reporter = Task {
        while !Task.isCancelled {
          progress(download.progress)
          try await Task.sleep(for: .milliseconds(200))
        }
      }
      defer { reporter.cancel() }
      let stored = try await download.ended()
      refresh(task)
      if let breakage = stored.breakage { throw breakage }
      progress(download.progress)
      return FetchReport(task: task, stored: stored, wasCached: false)
    }
  }

  // MARK: - money

  /// What opening a task's results would cost, and the guard's verdict. Asks nobody.
  public func cost(of task: TaskPath, requester: Requester) async throws(FileSystemFailure) -> CostReport {
    let configured = try configured(for: task)
    let stored = try await stored(task, isUpToDate: true)
    let state = try await statuses.remembered(task)?.status.state
    do throws(BudgetFailure) {
      let caps = budgetCaps
      let episodes = await Self.episodes(of: task, registry)
      let estimate = try await ledger.estimate(
        for: task, knownSize: stored?.billableSize, episodes: episodes, caps: caps)
      let quote = try await ledger.quote(
        PurchaseRequest(
          task: task, path: task.description + "/results", price: configured.source.price, requester: requester,
          expected: estimate), caps: caps)
      return CostReport.make(
        task: task, price: configured.source.price, state: state, stored: stored, quote: quote,
        decision: try decisionForReport(task, requester: requester))
    } catch {
      throw FileSystemFailure(error)
    }
  }

  /// How many episodes a task has, where the API ever told: only what is estimated depends on it.
  static func episodes(of task: TaskPath, _ registry: TaskRegistry) async -> Int? {
    (try? await registry.episodes(of: task)) ?? nil
  }

  private func decisionForReport(_ task: TaskPath, requester: Requester) throws(BudgetFailure) -> AccessDecision {
    do throws(FileSystemFailure) {
      return try decision(for: task, requester: requester)
    } catch {
      throw .ledger(reason: error.reason)
    }
  }
}

/// The caps of the budget, which a signal may replace.
final class CapsInForce: Sendable {
  private let content: Mutex<BudgetCaps?>

  init(_ caps: BudgetCaps?) {
    content = Mutex(caps)
  }

  var caps: BudgetCaps? { content.withLock { $0 } }

  func replace(_ new: BudgetCaps?) {
    content.withLock { $0 = new }
  }
}

/// Where wanted results are.
enum ResultAccess: Sendable {
  case stored(StoredResults)
  case arriving(Download)
}
