import FileSystem

/// What shall happen when somebody wants a task's results. Pure: the rules of INTERFACE.md, "Money", in one place.
struct AccessDecision {
  /// What the cache holds of a task.
  enum Stock: Hashable, Sendable {
    /// Never downloaded.
    case nothing
    /// The listing is complete and every file that can be had is here.
    case everything
    /// The listing is complete, but some content was evicted or is damaged.
    case evicted
    /// A download broke; what arrived whole is here.
    case broken(FileSystemFailure)
  }

  /// What is asked for.
  enum Want: Hashable, Sendable {
    /// Names.
    case listing
    /// The content of a file that is not here.
    case content
    /// `tollfs fetch`: everything, and downloading it is the wish of the user.
    case fetch
  }

  enum Verdict: Hashable, Sendable {
    case serve
    case download
    case refuse(FileSystemFailure)
  }

  let isBilled: Bool
  let isExplicit: Bool
  let isCrawler: Bool
  let taskName: String

  func verdict(stock: Stock, want: Want) -> Verdict {
    switch (stock, want) {
    case (.everything, _), (.evicted, .listing): return .serve
    case (.broken(let failure), .listing), (.broken(let failure), .content):
      // What is free is fetched again by itself; a second purchase never is.
      if isBilled { return want == .listing ? .serve : .refuse(paidOnce(failure)) }
      return mayDownload()
    case (.nothing, .fetch), (.evicted, .fetch), (.broken, .fetch): return .download
    case (.nothing, _), (.evicted, .content): return mayDownload()
    }
  }

  private func mayDownload() -> Verdict {
    if isCrawler {
      return .refuse(
        FileSystemFailure(
          .accessDenied, "an indexer asked for what is not in the cache; see `crawlers` in the configuration"))
    }
    if isExplicit {
      return .refuse(
        FileSystemFailure(.accessDenied, "this source is `fetch: explicit`; run `tollfs fetch \(taskName)` first"))
    }
    return .download
  }

  /// The failure of what is missing after a break, with the way on.
  func paidOnce(_ failure: FileSystemFailure) -> FileSystemFailure {
    FileSystemFailure(
      failure.kind,
      "\(failure.reason); it may have been paid for, so it is not bought again by itself: `tollfs fetch \(taskName)` does"
    )
  }
}
